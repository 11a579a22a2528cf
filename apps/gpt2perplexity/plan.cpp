// The default lengths are those of the tools from which the protocols come.
#include "gpt2perplexity/plan.hpp"

#include "common/config/record.hpp"

namespace gpt2run {
namespace {

constexpr CoreOption kOwn[] = {
    {{"precision", "text", "fp32,bf16,fp16", "",
      "precisions, separated by commas; the others are compared with the first"}},
    {{"text", "text", "", "", "file whose bytes are one text; - is standard input; in place of prompts"}},
    {{"protocol", "enum", "hf-stride", kProtocols, "which tokens are scored, and after which: docs/formats.md"}},
    {{"max_length", "int", "0", "[0, 1048576]",
      "tokens of a window; 0 is the model's context, for llama at most 512 of it"}},
    {{"stride", "int", "0", "[0, 1048576]",
      "tokens from the start of a window to the start of the next; 0 is half a window"}},
    {{"json", "text", "", "", "file for the results, - is standard output in place of the table"}},
};

constexpr int32_t kOfLlama = 512;  // llama-perplexity's default window

Protocol protocol_of(std::string_view name) {
  std::string_view names = kProtocols;
  int index = 0;
  for (; !names.starts_with(name); ++index) names.remove_prefix(names.find('|') + 1);
  return static_cast<Protocol>(index);
}

}  // namespace

std::span<const CoreOption> perplexity_options() {
  static const std::vector<CoreOption> options = evaluation_options(kOwn);
  return options;
}

Rule rule_of(const Configuration& configuration, const ModelConfig& model) {
  const OptionValues& values = configuration.values();
  const std::string_view name = values.text("protocol");
  Rule rule{protocol_of(name), static_cast<int32_t>(values.integer("max_length")),
            static_cast<int32_t>(values.integer("stride"))};
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

std::vector<RecordedOption> recorded_options(const Configuration& configuration, const Evaluation& evaluation,
                                             const Rule& rule) {
  const OptionValues& values = configuration.values();
  std::vector<RecordedOption> options{{"model", absolute_path(evaluation.model()), "text"},
                                      {"protocol", values.shown("protocol"), "text"},
                                      {"max_length", std::to_string(rule.max_length), "int"},
                                      {"stride", std::to_string(rule.stride), "int"}};
  for (const char* key : {"t", "threads", "device"}) options.push_back({key, values.shown(key), "int"});
  options.push_back({"no_special", values.shown("no_special"), "bool"});
  for (const char* key : {"tokenizer", "text"})
    if (!values.text(key).empty()) options.push_back({key, absolute_path(values.shown(key)), "text"});
  for (const char* key : {"prompts", "plugin_dir"})
    for (const std::string& path : configuration.list(key)) options.push_back({key, absolute_path(path), "text"});
  return options;
}

}  // namespace gpt2run
