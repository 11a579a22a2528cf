#include "alternatives.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

std::vector<int32_t> likeliest(const float* logits, int32_t vocab, int count) {
  std::vector<int32_t> ids(static_cast<size_t>(vocab));
  std::iota(ids.begin(), ids.end(), 0);
  const auto end = ids.begin() + std::min(count, vocab);
  std::partial_sort(ids.begin(), end, ids.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  ids.erase(end, ids.end());
  return ids;
}

// ln of the sum of exp(logits), so that a logprob is a logit minus this.
double log_sum(const float* logits, int32_t vocab) {
  const double most = *std::max_element(logits, logits + vocab);
  double sum = 0;
  for (int32_t id = 0; id < vocab; ++id) sum += std::exp(logits[id] - most);
  return most + std::log(sum);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t size = detail::utf8_character(text, code);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void append_text(std::string& line, std::string_view bytes) {
  line += ", \"text\": " + json_quoted(bytes);
  if (is_utf8(bytes)) return;
  line += ", \"bytes\": [";
  for (size_t i = 0; i < bytes.size(); ++i)
    line.append(i > 0 ? ", " : "").append(std::to_string(static_cast<unsigned char>(bytes[i])));
  line += ']';
}

}  // namespace

std::string alternatives(const TokenEvent& event, int count) {
  if (!event.logits) return "null";
  const double all = log_sum(event.logits, event.vocab);
  std::string line = "[";
  for (const int32_t id : likeliest(event.logits, event.vocab, count)) {
    // The chosen token has one number everywhere.
    const float logprob = id == event.id ? event.logprob : static_cast<float>(event.logits[id] - all);
    line.append(line.size() > 1 ? ", " : "").append("{\"id\": ").append(std::to_string(id));
    if (event.vocabulary) append_text(line, event.vocabulary->piece(id));
    append_number(line += ", \"probability\": ", static_cast<float>(std::exp(double(logprob))));
    append_number(line += ", \"logprob\": ", logprob);
    line += '}';
  }
  return line + ']';
}

}  // namespace gpt2run
