#include "gpt2serve/token_lists.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
namespace {

// A token's own alternatives, and the token itself behind them unless it is among them.
TopTokens with_own(const ScoredToken& token) {
  TopTokens all = token.top;
  const auto is_own = [&](const auto& one) { return one.first == token.id; };
  if (const auto own = std::ranges::find_if(all, is_own); own != all.end())
    own->second = token.logprob;  // the same number as in the list of log-probabilities
  else if (!all.empty())
    all.emplace_back(token.id, token.logprob);
  return all;
}

void write_alternatives(JsonWriter& json, const ScoredToken& token, const ModelSet& models) {
  const TopTokens all = with_own(token);
  if (all.empty()) return json.value(nullptr);
  json.begin_object();
  std::set<std::string> written;  // a key may occur once
  for (const auto& [id, logprob] : all)
    if (const std::string text = models.piece(id); written.insert(text).second) number_field(json, text, logprob);
  json.end_object();
}

}  // namespace

TopTokens top_tokens(std::span<const float> logits, int32_t count) {
  const SoftmaxSum softmax = softmax_sum(logits);
  const double log_sum = softmax.greatest + std::log(softmax.sum);
  TopTokens top;
  for (const int32_t id : most_likely(logits, count)) top.emplace_back(id, static_cast<float>(logits[id] - log_sum));
  return top;
}

void write_top(JsonWriter& json, const TopTokens& tokens, const ModelSet& models) {
  if (tokens.empty()) return json.value(nullptr);
  json.begin_list();
  for (const auto& [id, logprob] : tokens) {
    json.begin_object();
    json.field("id", id);
    json.field("token", models.piece(id));
    number_field(json, "logprob", logprob);
    json.end_object();
  }
  json.end_list();
}

void write_tokens(JsonWriter& json, std::span<const int32_t> ids, const ModelSet& models) {
  write_list(json, "token_ids", ids, [&](int32_t id) { json.value(id); });
  write_list(json, "tokens", ids, [&](int32_t id) { json.value(models.piece(id)); });
}

int64_t characters_of(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

void write_logprobs(JsonWriter& json, std::span<const ScoredToken> tokens, bool has_top, const ModelSet& models) {
  json.begin_object();
  write_list(json, "tokens", tokens, [&](const ScoredToken& one) { json.value(models.piece(one.id)); });
  write_list(json, "token_logprobs", tokens, [&](const ScoredToken& one) { write_number(json, one.logprob); });
  if (has_top)
    write_list(json, "top_logprobs", tokens, [&](const ScoredToken& one) { write_alternatives(json, one, models); });
  else
    json.field("top_logprobs", nullptr);
  write_list(json, "text_offset", tokens, [&](const ScoredToken& one) { json.value(one.offset); });
  write_list(json, "token_ids", tokens, [&](const ScoredToken& one) { json.value(one.id); });
  if (has_top)
    write_list(json, "top_ids", tokens, [&](const ScoredToken& one) {
      json.begin_list();
      for (const auto& [id, logprob] : with_own(one)) json.value(id);
      json.end_list();
    });
  json.end_object();
}

}  // namespace gpt2run
