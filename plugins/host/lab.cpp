// Names become plugins with bound options, then objects.
#include "host/lab.hpp"

#include "host/loader_choice.hpp"
#include "host/log.hpp"
#include "host/record.hpp"

namespace gpt2run {

std::string instance_name(const Chosen& chosen) { return to_text({chosen.plugin->name, chosen.asked.options}); }

Lab::Lab(PluginHost& host, Configuration& configuration, std::span<const char* const> options)
    : host_(host), model_(model_of(configuration)), loader_(choose_loader(host, configuration, model_)) {
  for (const char* option : options)
    for (PluginSpec& spec : parse_plugin_list(configuration.values().text(option), std::string("--") + option))
      precisions_.emplace_back(host.precision(spec.name), spec, configuration.layer(option));
  std::vector<Chosen*> chosen = {&loader_};
  for (Chosen& precision : precisions_) chosen.push_back(&precision);
  std::vector<std::string> known;
  for (const Candidate& candidate : host.candidates()) known.push_back(candidate.name);
  for (const std::string& message : configuration.bind(chosen, known)) log_warning(message);
  opener_ = create<Loader>(loader_);
  checkpoint_ = opener_->open(model_.c_str());
  tokenizer_ = open_tokenizer(configuration, *checkpoint_);
}

std::vector<const Chosen*> Lab::plugins() const {
  std::vector<const Chosen*> all = {&loader_};
  for (const Chosen& precision : precisions_) all.push_back(&precision);
  return all;
}

Manifest Lab::manifest(std::vector<RecordedOption> options) const {
  Manifest manifest;
  record_program(manifest);
  manifest.options = std::move(options);
  for (const Chosen* chosen : plugins()) manifest.plugins.push_back(recorded(host_, *chosen));
  record_model(manifest, model_, *checkpoint_);
  return manifest;
}

}  // namespace gpt2run
