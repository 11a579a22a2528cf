#include "common/pipeline/token_biases.hpp"

#include <algorithm>
#include <vector>

#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

constexpr char kBiasOption[] = "logit-bias.bias";

// The number of bytes of the JSON string that a text begins with, its quotes included. Longer than the text if it does
// not end.
size_t bytes_of_string(std::string_view text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return end + 1;
}

std::string text_in(std::string_view quoted) {
  const auto document = json::try_parse(quoted);
  if (!document) usage_error(kBiasOption, ": expected a text of JSON in quotes, found ", printable(quoted, 60));
  return document->root().text();
}

// What a text becomes without the tokens that stand before every text.
std::vector<int32_t> tokens_of(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> tokens;
  try {
    tokens = tokenizer.encode(text);
  } catch (const Error& error) {
    usage_error(kBiasOption, ": ", in_quotes(text), ": ", error.what());
  }
  const auto beginning = static_cast<std::ptrdiff_t>(tokenizer.encode("").size());
  tokens.erase(tokens.begin(), tokens.begin() + std::min(beginning, std::ssize(tokens)));
  return tokens;
}

int32_t id_of(const std::string& text, const Tokenizer* tokenizer) {
  if (!tokenizer)
    usage_error(kBiasOption, ": the model has no tokenizer, so a token is named by its id, found ", in_quotes(text));
  const std::vector<int32_t> tokens = tokens_of(*tokenizer, text);
  if (tokens.size() == 1) return tokens.front();
  std::string ids;
  for (const int32_t id : tokens) ids.append(ids.empty() ? ": " : " ").append(std::to_string(id));
  usage_error(kBiasOption, ": expected the text of one token, found ", in_quotes(text), ", which is ", tokens.size(),
              ids);
}

}  // namespace

std::string biases_by_id(std::string_view biases, const Tokenizer* tokenizer) {
  std::string ids;
  while (!biases.empty()) {
    const size_t begin = std::min(biases.find('"'), biases.size());
    ids += biases.substr(0, begin);
    biases.remove_prefix(begin);
    if (biases.empty()) break;
    const std::string_view quoted = biases.substr(0, bytes_of_string(biases));
    ids += std::to_string(id_of(text_in(quoted), tokenizer));
    biases.remove_prefix(quoted.size());
  }
  return ids;
}

void set_token_biases(std::span<BoundPlugin> samplers, const Tokenizer* tokenizer) {
  for (BoundPlugin& sampler : samplers) {
    if (std::string_view(sampler.plugin->name) != "logit-bias" || !sampler.values.declares("bias")) continue;
    const std::string given(sampler.values.text("bias"));
    if (given.find('"') != given.npos) sampler.values.set("bias", biases_by_id(given, tokenizer), kBiasOption);
  }
}

}  // namespace gpt2run
