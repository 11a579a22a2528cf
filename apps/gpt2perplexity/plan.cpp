// The options of the program.
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

}  // namespace

std::span<const CoreOption> perplexity_options() {
  static const std::vector<CoreOption> options = evaluation_options(kOwn);
  return options;
}

Rule rule_of(const Configuration& configuration, const ModelConfig& model) {
  const OptionValues& values = configuration.values();
  return rule_of(values.text("protocol"), static_cast<int32_t>(values.integer("max_length")),
                 static_cast<int32_t>(values.integer("stride")), model);
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
