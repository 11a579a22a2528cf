// Converts texts and token ids, from options and from files, into prompts.
#include "common/prompts/prompts.hpp"

#include <algorithm>
#include <charconv>

#include "common/config/text_file.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kBetweenIds = " ,\t\n\v\f\r";
constexpr int32_t kPaddingOfGpt2 = 50256;  // for models without an end-of-text token

std::string standard_input() {
  std::string text = as_utf8(read_standard_input("--prompt -: "), "--prompt -: standard input");
  // A final line end comes from `echo` or an editor and is not part of the prompt.
  if (text.ends_with('\n')) text.pop_back();
  if (text.empty()) fail("--prompt -: standard input is empty");
  return text;
}

WrittenPrompt typed_text(const std::string& given) {
  WrittenPrompt prompt{"--prompt", given == "-" ? standard_input() : given, "", {}};
  if (prompt.text.empty())
    usage_error(
        "--prompt: expected a text, found an empty one; without --prompt the start-of-text or end-of-text token "
        "starts");
  return prompt;
}

WrittenPrompt typed_tokens(const std::string& given, const ModelConfig& model) {
  WrittenPrompt prompt{"--tokens", "", "", parse_tokens(given, "--tokens", model.V)};
  if (prompt.tokens.empty()) usage_error("--tokens: expected token ids, found none");
  return prompt;
}

Prompt start_of_text(const ModelConfig& model) {
  const int32_t start = model.start_of_text >= 0 ? model.start_of_text : model.end_of_text;
  if (start < 0) fail("the model has no start-of-text or end-of-text token to start from: give --prompt or --tokens");
  return {"", {start}};
}

void check_tokens(const std::vector<int32_t>& tokens, const std::string& origin, const ModelConfig& model) {
  for (const int32_t id : tokens)
    if (id < 0 || id >= model.V)
      fail(origin, origin.empty() ? "" : ": ", "token id ", id, ": expected an id in [0, ", model.V,
           "), the model's vocabulary");
}

Prompt to_prompt(WrittenPrompt written, const Tokenizer* tokenizer, const ModelConfig& model, bool special) {
  const std::string origin = written.origin.starts_with("--") ? "" : written.origin;
  if (!written.tokens.empty()) {
    check_tokens(written.tokens, written.origin, model);
    std::string text = text_of(written.tokens, tokenizer);
    return {std::move(text), std::move(written.tokens), std::move(written.id), origin, written.number_id};
  }
  if (!tokenizer)
    fail(written.origin,
         ": the model has no tokenizer: give --tokenizer PATH, or token ids by --tokens or by \"tokens\" in a file "
         ".jsonl");
  std::vector<int32_t> tokens = encode(*tokenizer, written, special);
  check_tokens(tokens, written.origin, model);
  return {std::move(written.text), std::move(tokens), std::move(written.id), origin, written.number_id};
}

// Appends the prompts of all --prompts files. Returns whether a prompt set was among them.
bool add_files(const Configuration& configuration, const ModelConfig& model, std::vector<WrittenPrompt>& prompts) {
  const PromptRows rows{configuration.values().integer("t"),
                        model.end_of_text >= 0 ? model.end_of_text : kPaddingOfGpt2};
  bool has_rows = false;
  for (const std::string& pattern : configuration.list("prompts"))
    for (const std::string& name : prompt_files(pattern)) {
      PromptFile file = read_prompt_file(name, rows);
      has_rows |= file.is_set;
      for (const std::string& warning : file.warnings) log_warning(warning);
      std::ranges::move(file.prompts, std::back_inserter(prompts));
    }
  return has_rows;
}

// Shortens a prompt to its last tokens, so many that the new ones fit, but to no less than half of the context. Where
// the context is shifted, the prompt alone has to fit. Returns whether it was shortened.
bool truncate(Prompt& prompt, const ModelConfig& model, const Generation& generation, const Tokenizer* tokenizer) {
  int64_t keep = std::min<int64_t>(model.T, int64_t(generation.n_gen) - 1);
  if (generation.max_new >= 0)
    keep = std::max<int64_t>(int64_t(model.T) + 1 - std::max(1, generation.max_new), model.T / 2);
  if (generation.context_shift > 0) keep = model.T;
  keep = std::max<int64_t>(1, keep);
  if (std::ssize(prompt.tokens) <= keep) return false;
  prompt.tokens.erase(prompt.tokens.begin(), prompt.tokens.end() - keep);
  prompt.text = text_of(prompt.tokens, tokenizer);
  return true;
}

// Shortens all prompts, with one warning.
void truncate_all(std::vector<Prompt>& prompts, const ModelConfig& model, const Generation& generation,
                  const Tokenizer* tokenizer) {
  std::string first;
  size_t cut = 0;
  for (Prompt& prompt : prompts) {
    const size_t length = prompt.tokens.size();
    if (!truncate(prompt, model, generation, tokenizer) || cut++ > 0) continue;
    first = "a prompt of " + std::to_string(length) + " tokens" +
            (prompt.origin.empty() ? "" : " (" + prompt.origin + ")") + " is cut to its last " +
            std::to_string(prompt.tokens.size());
  }
  if (cut > 0) log_warning(first + (cut == 1 ? "" : ", and " + std::to_string(cut - 1) + " more"));
}

}  // namespace

std::vector<int32_t> encode(const Tokenizer& tokenizer, const WrittenPrompt& prompt, bool special) {
  try {
    return tokenizer.encode(prompt.text, special);
  } catch (const Error& error) {
    fail(prompt.origin == "-" ? "--text -" : prompt.origin, ": ", error.what());
  }
}

std::string text_of(const std::vector<int32_t>& tokens, const Tokenizer* tokenizer) {
  std::string text;
  for (const int32_t id : tokens)
    if (tokenizer && id < tokenizer->size()) text += tokenizer->piece(id);
  return text;
}

std::vector<int32_t> parse_tokens(std::string_view text, std::string_view origin, int32_t vocabulary) {
  std::vector<int32_t> tokens;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kBetweenIds), text.size()));
    if (text.empty()) return tokens;
    const std::string_view word = text.substr(0, text.find_first_of(kBetweenIds));
    int32_t id = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (code == std::errc::invalid_argument || end != word.data() + word.size())
      usage_error(origin, ": expected token ids, found ", in_quotes(word));
    if (code != std::errc() || id < 0 || id >= vocabulary)
      usage_error(origin, ": token id ", printable(word, 20), ": expected an id in [0, ", vocabulary, ")");
    tokens.push_back(id);
    text.remove_prefix(word.size());
  }
}

Layer layer_of_prompts(const Configuration& configuration) {
  return std::max({configuration.layer("prompt"), configuration.layer("tokens"), configuration.layer("prompts")});
}

std::vector<Prompt> given_prompts(const Configuration& configuration, const Tokenizer* tokenizer,
                                  const ModelConfig& model) {
  const Layer layer = layer_of_prompts(configuration);
  const auto is_given = [&](const char* key) { return layer != Layer::fallback && configuration.layer(key) == layer; };
  std::vector<WrittenPrompt> written;
  if (is_given("prompt"))
    for (const std::string& given : configuration.list("prompt")) written.push_back(typed_text(given));
  if (is_given("tokens"))
    for (const std::string& given : configuration.list("tokens")) written.push_back(typed_tokens(given, model));
  const bool has_rows = is_given("prompts") && add_files(configuration, model, written);
  if (!has_rows && configuration.layer("t") == Layer::command_line)
    usage_error("--t: expected a prompt set among --prompts, found none");
  std::vector<Prompt> prompts;
  for (WrittenPrompt& prompt : written)
    prompts.push_back(to_prompt(std::move(prompt), tokenizer, model, !configuration.values().flag("no_special")));
  return prompts;
}

std::vector<Prompt> prompts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model,
                               const Generation& generation) {
  std::vector<Prompt> prompts = given_prompts(configuration, tokenizer, model);
  if (prompts.empty()) {
    const Manifest* recorded = configuration.recorded();
    prompts = recorded ? recorded->prompts : std::vector{start_of_text(model)};
    for (const Prompt& prompt : prompts) check_tokens(prompt.tokens, prompt.origin, model);
  }
  if (configuration.values().flag("truncate_prompt")) truncate_all(prompts, model, generation, tokenizer);
  return prompts;
}

std::vector<Prompt> texts_of(const Configuration& configuration, const Tokenizer* tokenizer, const ModelConfig& model) {
  const std::string path(configuration.values().text("text"));
  const bool has_prompts = layer_of_prompts(configuration) != Layer::fallback;
  if (path.empty() && !has_prompts)
    usage_error("a text is needed: give one of --text, --prompts, --prompt and --tokens");
  for (const char* key : {"prompts", "prompt", "tokens"})
    if (!path.empty() && configuration.layer(key) != Layer::fallback)
      usage_error("--text and --", key, ": expected one of the two, found both");
  if (has_prompts) return given_prompts(configuration, tokenizer, model);
  const std::string name = "--text " + path;
  if (!tokenizer)
    fail(name,
         ": the model has no tokenizer, so a text cannot become tokens: give --tokenizer PATH, or token ids by "
         "--tokens or "
         "in a prompt set (--prompts FILE.bin)");
  WrittenPrompt text{
      path, as_utf8(path == "-" ? read_standard_input("--text -: ") : read_file(path, "--text "), name), "", {}};
  if (text.text.empty()) fail(name, ": expected a text, found an empty file");
  return {to_prompt(std::move(text), tokenizer, model, !configuration.values().flag("no_special"))};
}

}  // namespace gpt2run
