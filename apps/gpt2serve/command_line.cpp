#include "gpt2serve/command_line.hpp"

#include <algorithm>
#include <cstdlib>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {
namespace {

std::string joined(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) line.append(line.empty() ? "" : " ").append(shell_quoted(argument));
  return line;
}

void append(std::vector<std::string>& arguments, std::initializer_list<std::string> more) {
  arguments.insert(arguments.end(), more);
}

std::string ids_text(std::span<const int32_t> tokens) {
  std::string text;
  for (const int32_t id : tokens) text.append(text.empty() ? "" : " ").append(std::to_string(id));
  return text;
}

// The precision as another program names it, with the server's defaults.
std::string precision_of(const ModelEngine& engine) { return to_text(engine.model().bound.spec); }

// A command line can carry a text that is not empty, has no zero byte, and does not mean standard input.
bool is_typed(const std::string& text) { return !text.empty() && text != "-" && text.find('\0') == std::string::npos; }

// A stop text as gpt2run's --stop takes it, where a backslash begins an escape.
std::string escaped_stop(const std::string& stop) {
  std::string text;
  for (const char c : stop) text.append(c == '\\' ? "\\\\" : c == '\0' ? "\\u0000" : std::string(1, c));
  return text;
}

}  // namespace

std::string shell_quoted(std::string_view argument) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./:=,@+").find(c) != std::string_view::npos;
  };
  if (!argument.empty() && std::ranges::all_of(argument, is_plain)) return std::string(argument);
  std::string text = "'";
  for (const char c : argument) c == '\'' ? text += "'\\''" : text += c;
  return text + '\'';
}

CommandLines::CommandLines(const Configuration& configuration, const std::string& model) {
  const OptionValues& values = configuration.values();
  const char* variable = std::getenv("GPT2RUN_MODEL");
  if (!values.text("model").empty() || (variable && *variable)) append(shared_, {"--model", model});
  for (const char* key : {"loader", "tokenizer"})
    if (const std::string value(values.text(key)); !value.empty()) append(shared_, {std::string("--") + key, value});
  for (const std::string& folder : configuration.list("plugin_dir")) append(shared_, {"--plugin-dir", folder});
}

std::string CommandLines::of(const CompletionRequest& request) const {
  if (request.max_tokens == 0) return "";
  std::vector<std::string> line{"gpt2run"};
  line.insert(line.end(), shared_.begin(), shared_.end());
  append(line, {"--precision", precision_of(*request.engine), "--sampler", request.plan.text, "--seed",
                std::to_string(request.seed), "--max-new-tokens", std::to_string(request.max_tokens)});
  append(line, {"--echo", request.echo ? "on" : "off"});
  if (request.n > 1) append(line, {"--samples", std::to_string(request.n)});
  for (const std::string& stop : request.stops) append(line, {"--stop", escaped_stop(stop)});
  if (request.ignore_eos) line.emplace_back("--ignore-eos");
  const bool typed = std::ranges::all_of(request.prompts, [](const Prompt& prompt) { return is_typed(prompt.text); });
  for (const Prompt& prompt : request.prompts)
    append(line, {typed ? "--prompt" : "--tokens", typed ? prompt.text : ids_text(prompt.tokens)});
  return joined(line);
}

std::string CommandLines::of_distribution(const CompletionRequest& request, int32_t top) const {
  return of(request) + " --sink jsonl --top " + std::to_string(top);
}

std::string CommandLines::of_comparison(const ModelEngine& reference, const std::vector<ModelEngine*>& tests,
                                        const std::string& text, std::span<const int32_t> tokens) const {
  std::string names;
  for (const ModelEngine* test : tests) names.append(names.empty() ? "" : ",").append(precision_of(*test));
  std::vector<std::string> line{"gpt2compare"};
  line.insert(line.end(), shared_.begin(), shared_.end());
  append(line, {"--ref", precision_of(reference), "--test", names, "--max-new-tokens", "0"});
  append(line, {is_typed(text) ? "--prompt" : "--tokens", is_typed(text) ? text : ids_text(tokens)});
  return joined(line);
}

std::string CommandLines::of_layers(const ModelEngine& reference, const std::vector<ModelEngine*>& tests,
                                    const std::string& text, std::span<const int32_t> tokens, int64_t rows) const {
  return of_comparison(reference, tests, text, tokens) + " --floor off --layers " + std::to_string(rows) + " --json -";
}

}  // namespace gpt2run
