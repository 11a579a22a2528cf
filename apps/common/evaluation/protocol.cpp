// Cuts texts into windows by the rules of each protocol.
#include "common/evaluation/protocol.hpp"

#include <algorithm>

#include "gpt2run/sdk/escape.hpp"
#include "host/options.hpp"
#include "host/usage_error.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kOfLlama = 512;  // llama-perplexity's default window

Protocol protocol_of(std::string_view name) {
  const std::vector<std::string> names = choices_of(kProtocols);
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return static_cast<Protocol>(found - names.begin());
  usage_error("--protocol: expected ", kProtocols, ", found ", in_quotes(name));
}

void add_strides(const Rule& rule, size_t text, int32_t tokens, std::vector<ScoredWindow>& windows) {
  int32_t scored = 1;  // the first token is never a target
  for (int32_t begin = 0, end = 0; end < tokens; begin += rule.stride) {
    end = std::min(begin + rule.max_length, tokens);
    const int32_t first = std::max(scored - begin, 1);
    if (first < end - begin) windows.push_back({text, begin, end - begin, first});
    scored = end;
  }
}

void add_halves(const Rule& rule, size_t text, int32_t tokens, std::vector<ScoredWindow>& windows) {
  const int32_t first = rule.max_length / 2 + 1;
  if (first >= rule.max_length) return;
  for (int32_t begin = 0; begin + rule.max_length <= tokens; begin += rule.max_length)
    windows.push_back({text, begin, rule.max_length, first});
}

void add_whole(const Rule& rule, size_t text, const Prompt& prompt, std::vector<ScoredWindow>& windows) {
  const auto tokens = static_cast<int32_t>(prompt.tokens.size());
  if (tokens > rule.max_length)
    fail(prompt.origin, prompt.origin.empty() ? "" : ": ", "expected a prompt of at most ", rule.max_length,
         " tokens, found ", tokens, "; protocol hf-stride takes longer ones");
  if (tokens > 1) windows.push_back({text, 0, tokens, 1});
}

}  // namespace

Rule rule_of(std::string_view name, int32_t max_length, int32_t stride, const ModelConfig& model) {
  Rule rule{protocol_of(name), max_length, stride};
  const bool strides = rule.protocol == Protocol::hf_stride || rule.protocol == Protocol::document;
  if (rule.stride != 0 && !strides) usage_error("--stride: protocol ", name, " has none");
  if (rule.max_length != 0 && rule.protocol == Protocol::original)
    usage_error("--max_length: protocol original has none, a prompt is one window");
  if (rule.max_length > model.T)
    usage_error("--max_length: expected at most ", model.T, ", the model's context, found ", rule.max_length);
  if (rule.max_length == 0) rule.max_length = rule.protocol == Protocol::llama ? std::min(kOfLlama, model.T) : model.T;
  const int32_t least = rule.protocol == Protocol::llama ? 3 : 2;
  if (rule.max_length < least)
    usage_error("--max_length: expected at least ", least, " for protocol ", name, ", found ", rule.max_length);
  if (rule.stride > rule.max_length)
    usage_error("--stride: expected at most ", rule.max_length, ", the tokens of a window, found ", rule.stride);
  if (strides && rule.stride == 0) rule.stride = rule.max_length / 2;
  return rule;
}

void prepare(const Rule& rule, int32_t end_of_text, std::span<Prompt> texts) {
  if (rule.protocol != Protocol::document || end_of_text < 0) return;
  for (Prompt& text : texts)
    if (text.tokens.empty() || text.tokens.front() != end_of_text) text.tokens.insert(text.tokens.begin(), end_of_text);
}

std::vector<ScoredWindow> windows_of(const Rule& rule, std::span<const Prompt> texts) {
  std::vector<ScoredWindow> windows;
  size_t longest = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto tokens = static_cast<int32_t>(texts[i].tokens.size());
    longest = std::max(longest, texts[i].tokens.size());
    if (rule.protocol == Protocol::original) add_whole(rule, i, texts[i], windows);
    if (rule.protocol == Protocol::llama) add_halves(rule, i, tokens, windows);
    if (rule.protocol == Protocol::hf_stride || rule.protocol == Protocol::document)
      add_strides(rule, i, tokens, windows);
  }
  if (!windows.empty()) return windows;
  const int32_t least = rule.protocol == Protocol::llama ? rule.max_length : 2;
  fail(texts.size() == 1 && !texts[0].origin.empty() ? texts[0].origin + ": " : "", "expected a text of at least ",
       least, " tokens, found ", longest, longest == 1 ? ": nothing can be scored" : " in the longest");
}

}  // namespace gpt2run
