// The parts of answers that list tokens with their log-probabilities.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/sdk/json_text.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// The most likely tokens of a row, most likely first, with their natural log-probabilities.
using TopTokens = std::vector<std::pair<int32_t, float>>;

// logits: (vocab) raw.
TopTokens top_tokens(std::span<const float> logits, int32_t count);

// Writes a number, and null for one that is not finite.
template <class Real>
void write_number(JsonWriter& json, Real value) {
  std::string text;
  append_number(text, value);
  json.raw(text);
}
template <class Real>
void number_field(JsonWriter& json, std::string_view name, Real value) {
  json.key(name);
  write_number(json, value);
}

// Writes a list with an element for each item, by write(item).
template <class Items, class Write>
void write_list(JsonWriter& json, std::string_view name, const Items& items, const Write& write) {
  json.key(name);
  json.begin_list();
  for (const auto& item : items) write(item);
  json.end_list();
}

// [{"id", "token", "logprob"}, ...], and null for an empty list.
void write_top(JsonWriter& json, const TopTokens& tokens, const ModelSet& models);

// Lists of ids and of the tokens' texts, under these names.
void write_tokens(JsonWriter& json, std::span<const int32_t> ids, const ModelSet& models);

// The number of characters of a UTF-8 text.
int64_t characters_of(std::string_view text);

// One token of a completion with its log-probabilities.
struct ScoredToken {
  int32_t id;
  float logprob;   // NaN for none
  TopTokens top;   // empty for none
  int64_t offset;  // characters of the text before it
};

// The object `logprobs` of a choice. has_top: whether alternatives were asked for.
void write_logprobs(JsonWriter& json, std::span<const ScoredToken> tokens, bool has_top, const ModelSet& models);

}  // namespace gpt2run
