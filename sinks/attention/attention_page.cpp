#include "attention_page.hpp"

#include <cmath>

#include "base64.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

uint8_t in_8_bits(float weight) {
  return weight > 0 ? static_cast<uint8_t>(std::lround(std::min(weight, 1.0f) * 255)) : uint8_t{0};
}

}  // namespace

int64_t page_bytes(const AttentionRecord& record, int heads, int32_t tokens) {
  return std::ssize(record.layers) * heads * (int64_t{tokens} * (tokens + 1) / 2);
}

int32_t page_tokens(const AttentionRecord& record, int heads, int32_t most) {
  int32_t tokens = std::min(most, record.tokens());
  while (tokens > 0 && page_bytes(record, heads, tokens) > kMostSequenceBytes) --tokens;
  return tokens;
}

std::string attention_page_data(uint64_t sequence, const AttentionRecord& record, int heads, int32_t tokens) {
  std::vector<uint8_t> bytes;
  bytes.reserve(static_cast<size_t>(page_bytes(record, heads, tokens)));
  JsonWriter json(-1);
  json.begin_object();
  json.field("sequence", sequence);
  json.field("heads", heads);
  json.field("tokens", record.tokens());
  json.key("layers");
  json.begin_list();
  for (const auto& [layer, weights] : record.layers) {
    json.value(layer);
    for (int head = 0; head < heads; ++head) {
      for (int32_t i = 0; i < tokens; ++i) {
        const float* row = weights[static_cast<size_t>(i)].data() + int64_t{head} * (i + 1);
        for (int32_t j = 0; j <= i; ++j) bytes.push_back(in_8_bits(row[j]));
      }
    }
  }
  json.end_list();
  json.key("texts");
  json.begin_list();
  for (int32_t i = 0; i < tokens; ++i) json.value(record.texts[static_cast<size_t>(i)]);
  json.end_list();
  json.field("weights", base64_of(bytes));
  json.end_object();
  return json.json();
}

}  // namespace gpt2run
