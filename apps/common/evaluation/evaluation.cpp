// Opens the plugins of an evaluation, binds their options, and creates the loader.
#include "common/evaluation/evaluation.hpp"

#include <algorithm>

#include "common/config/create.hpp"
#include "common/config/record.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/verify.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr const char* kShared[] = {"model",   "loader", "prompt", "tokens",    "prompts",    "t",    "no_special",
                                   "threads", "device", "verify", "tokenizer", "plugin_dir", "quiet"};

// Help for shared options in other words than gpt2run's, because evaluation programs do not continue texts.
constexpr std::pair<std::string_view, const char*> kHelp[] = {
    {"prompt", "text to compute on; - is standard input"},
    {"tokens", "the same as token ids, separated by blanks or commas"}};

constexpr CoreOption kLast[] = {
    {{"config", "text", "", "", "options from an INI file"}, 'c'},
    {{"help", "bool", "off", "", "print options"}, 'h'},
};

}  // namespace

std::vector<CoreOption> evaluation_options(std::span<const CoreOption> own) {
  std::vector<CoreOption> options(own.begin(), own.end());
  for (const std::string_view key : kShared)
    std::ranges::copy_if(pipeline_options(), std::back_inserter(options),
                         [&](const CoreOption& option) { return key == option.spec.key; });
  for (CoreOption& option : options)
    for (const auto& [key, help] : kHelp)
      if (key == option.spec.key) option.spec.help = help;
  std::ranges::copy(kLast, std::back_inserter(options));
  return options;
}

std::string instance_name(const BoundPlugin& chosen) { return to_text({chosen.plugin->name, chosen.spec.options}); }

Evaluation::Evaluation(PluginHost& host, Configuration& configuration, std::span<const char* const> options)
    : host_(host), model_(model_of(configuration)), loader_(choose_loader(host, configuration, model_)) {
  std::vector<std::string> names;
  for (const char* option : options)
    std::ranges::move(names_of(parse_plugin_list(configuration.values().text(option), std::string("--") + option)),
                      std::back_inserter(names));
  host.note_precisions(names);
  for (const char* option : options)
    for (PluginSpec& spec : parse_plugin_list(configuration.values().text(option), std::string("--") + option))
      precisions_.emplace_back(host.precision(spec.name), spec, configuration.layer(option), &host);
  std::vector<BoundPlugin*> chosen = {&loader_};
  for (BoundPlugin& precision : precisions_) chosen.push_back(&precision);
  bind_options(configuration, host, chosen);
  warn_unused_device(configuration, precisions_);
  files_ = verify_model(configuration, loader_, model_);
  opener_ = create<Loader>(loader_);
  checkpoint_ = open_model(*opener_, loader_, model_);
  tokenizer_ = open_tokenizer(configuration, *checkpoint_);
}

std::vector<const BoundPlugin*> Evaluation::plugins() const {
  std::vector<const BoundPlugin*> all = {&loader_};
  for (const BoundPlugin& precision : precisions_) all.push_back(&precision);
  return all;
}

Manifest Evaluation::manifest(std::vector<RecordedOption> options) const {
  Manifest manifest;
  record_program(manifest);
  manifest.options = std::move(options);
  for (const BoundPlugin* chosen : plugins()) manifest.plugins.push_back(recorded(host_, *chosen));
  record_model(manifest, model_, *checkpoint_);
  manifest.files = files_;
  return manifest;
}

}  // namespace gpt2run
