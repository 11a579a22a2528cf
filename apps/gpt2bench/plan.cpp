// Opens the plugins that are named, binds their options, and refuses those that cannot be measured together.
#include "gpt2bench/plan.hpp"

#include <algorithm>
#include <charconv>

#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr CoreOption kOptions[] = {
    {{"model", "text", "synthetic:124M", "", "folder, file or synthetic:..."}, 'm'},
    {{"loader", "text", "", "", "weight loader; else the one that knows the model best"}},
    {{"precision", "text", "fp32,bf16,fp16", "", "precisions to measure in turn, separated by commas"}},
    {{"sampler", "text", "device-argmax", "",
      "chain of samplers, as for gpt2run; device-NAME runs where the logits are"}},
    {{"threads", "text", "1,0", "", "worker threads, separated by commas; 0 is one per core"}},
    {{"prompt_tokens", "int", "512", "[1, 1048576]", "tokens of a prefill, and before decode_long"}},
    {{"new_tokens", "int", "64", "[1, 1048576]", "tokens of a decode"}},
    {{"batch", "int", "8", "[1, 65536]", "sequences of decode_batch"}},
    {{"decode", "text", "", "",
      "decodes by context and sequences, as 128x1,1024x8, in place of all else; new_tokens end at the context"}},
    {{"repetitions", "int", "5", "[1, 1000]", "rounds, each with a cold start of every precision"}},
    {{"passes", "int", "1", "[1, 1000]", "prefills and decodes of a round, after one that warms up"}},
    {{"read_mb", "int", "512", "[1, 65536]", "megabytes that the read bandwidth is measured over"}},
    {{"json", "text", "", "", "file for all samples, - is standard output in place of the table"}},
    {{"plugin_dir", "text", "", "", "folder with plugins, searched first"}, 0, true},
    {{"config", "text", "", "", "options from an INI file"}, 'c'},
    {{"quiet", "bool", "off", "", "no messages but warnings and errors"}, 'q'},
    {{"help", "bool", "off", "", "print options"}, 'h'},
};

}  // namespace

std::vector<int> numbers_of(std::string_view text, std::string_view option, int least, int most) {
  std::vector<int> all;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    int number = -1;
    const auto [rest, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (code != std::errc() || rest != word.data() + word.size() || number < least || number > most)
      usage_error(option, ": expected whole numbers in [", least, ", ", most, "] with commas between, found ",
                  in_quotes(text));
    all.push_back(number);
    at = end + 1;
  }
  return all;
}

std::span<const CoreOption> bench_options() {
  static const std::vector<CoreOption> options = [] {
    std::vector<CoreOption> all(std::begin(kOptions), std::end(kOptions));
    const auto device = std::ranges::find(pipeline_options(), std::string_view("device"),
                                          [](const CoreOption& option) { return std::string_view(option.spec.key); });
    all.insert(all.begin() + 5, *device);  // after --threads
    return all;
  }();
  return options;
}

std::vector<BoundPlugin> plan(PluginHost& host, Configuration& configuration, BoundPlugin& loader,
                              std::vector<Series>& series) {
  const OptionValues& values = configuration.values();
  std::vector<BoundPlugin> precisions;
  const std::vector<PluginSpec> asked = parse_plugin_list(values.text("precision"), "--precision");
  host.note_precisions(names_of(asked));
  for (const PluginSpec& spec : asked)
    precisions.emplace_back(host.precision(spec.name), spec, configuration.layer("precision"), &host);
  const Space space = precisions.front().plugin->space;
  for (const BoundPlugin& one : precisions)
    if (one.plugin->space != space)
      usage_error("--precision: ", one.spec.name, " and ", precisions.front().spec.name,
                  " are in different memory: measure them apart");
  std::vector<BoundPlugin> samplers = choose_samplers(host, configuration, space);
  if (samplers.front().plugin->space != space)
    usage_error("--sampler: ", samplers.front().spec.name, " is not in ", name_of(space),
                " memory, where the logits are; gpt2bench sweep measures it there");
  std::vector<BoundPlugin*> chosen = {&loader};
  for (BoundPlugin& sampler : samplers) chosen.push_back(&sampler);
  for (BoundPlugin& precision : precisions) chosen.push_back(&precision);
  bind_options(configuration, host, chosen);
  warn_unused_device(configuration, precisions);
  for (const BoundPlugin& precision : precisions)
    for (const int threads : numbers_of(values.text("threads"), "--threads", 0, 1024))
      series.push_back({precision, threads, 0, {}});
  return samplers;
}

}  // namespace gpt2run
