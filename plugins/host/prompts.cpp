// Texts and token ids as they are typed become prompts.
#include "host/prompts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "host/log.hpp"

namespace gpt2run {
namespace {

std::string standard_input() {
  std::string text;
  char buffer[65536];
  while (true) {
    const ssize_t count = read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("--prompt -: standard input cannot be read: ", std::strerror(errno));
    if (count == 0) break;
    text.append(buffer, static_cast<size_t>(count));
  }
  // The line end that `echo` and editors put there is not meant.
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) fail("--prompt -: standard input is empty");
  return text;
}

std::vector<int32_t> parse_tokens(const std::string& text) {
  std::vector<int32_t> tokens;
  const char *at = text.data(), *const end = at + text.size();
  while (true) {
    while (at != end && std::strchr(" ,\t\n", *at)) ++at;
    if (at == end) break;
    int32_t id = 0;
    const auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc() || (next != end && !std::strchr(" ,\t\n", *next)))
      misused("--tokens: expected token ids, found \"", std::string(at, std::min(end, at + 20)), "\"");
    tokens.push_back(id);
    at = next;
  }
  if (tokens.empty()) misused("--tokens: expected token ids, found none");
  return tokens;
}

Prompt start_of_text(const ModelConfig& model) {
  if (model.end_of_text < 0) fail("the model has no end-of-text token to start from: give --prompt or --tokens");
  return {"", {model.end_of_text}};
}

Prompt from_text(const std::string& given, const Tokenizer* tokenizer, bool special) {
  const std::string text = given == "-" ? standard_input() : given;
  if (text.empty())
    misused("--prompt: expected a text, found an empty one; without --prompt the end-of-text token starts");
  if (!tokenizer) fail("--prompt: the model has no tokenizer; give --tokens or --tokenizer PATH");
  return {text, tokenizer->encode(text, special)};
}

void check_tokens(const Prompt& prompt, const ModelConfig& model) {
  for (const int32_t id : prompt.tokens)
    if (id < 0 || id >= model.V) fail("token id ", id, ": expected [0, ", model.V, "), the model's vocabulary");
}

// Keeps the last tokens, as many as leave room for the new ones; at least one.
void truncate(Prompt& prompt, const ModelConfig& model, const Generation& generation, const Tokenizer* tokenizer) {
  const int64_t room = generation.max_new >= 0 ? int64_t(model.T) + 1 - std::max(1, generation.max_new)
                                               : std::min<int64_t>(model.T, int64_t(generation.n_gen) - 1);
  const auto keep = static_cast<size_t>(std::max<int64_t>(1, room));
  if (prompt.tokens.size() <= keep) return;
  log_warning("a prompt of " + std::to_string(prompt.tokens.size()) + " tokens is cut to its last " +
              std::to_string(keep));
  prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - static_cast<std::ptrdiff_t>(keep));
  prompt.text = tokenizer ? tokenizer->decode(prompt.tokens) : "";
}

}  // namespace

std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation) {
  const Layer text = configuration.layer("prompt"), ids = configuration.layer("tokens"), layer = std::max(text, ids);
  const Manifest* recorded = configuration.recorded();
  std::vector<Prompt> prompts;
  if (layer == Layer::fallback && recorded) prompts = recorded->prompts;
  if (layer == Layer::fallback && !recorded) prompts.push_back(start_of_text(model));
  if (layer != Layer::fallback && text == layer)
    for (const std::string& given : configuration.list("prompt"))
      prompts.push_back(from_text(given, tokenizer, !configuration.values().flag("no_special")));
  if (layer != Layer::fallback && ids == layer)
    for (const std::string& given : configuration.list("tokens")) {
      Prompt prompt{"", parse_tokens(given)};
      check_tokens(prompt, model);
      if (tokenizer) prompt.text = tokenizer->decode(prompt.tokens);
      prompts.push_back(std::move(prompt));
    }
  for (Prompt& prompt : prompts) {
    check_tokens(prompt, model);
    if (configuration.values().flag("truncate_prompt")) truncate(prompt, model, generation, tokenizer);
  }
  return prompts;
}

}  // namespace gpt2run
