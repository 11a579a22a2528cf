// Selection of the plugins of a run, with their options. choose() opens plugin libraries and binds options, but creates
// no plugin's object yet.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "gpt2run/engine/generate.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// The options of programs that run the pipeline. Help and documentation are generated from them.
std::span<const CoreOption> pipeline_options();

// The plugins of a run, with their options bound.
struct Selection {
  std::string model;  // path or name, as the loader takes it
  BoundPlugin loader, precision;
  std::vector<BoundPlugin> samplers;  // the chain in its order; the last one selects the token
  std::vector<BoundPlugin> sinks;

  std::vector<BoundPlugin*> all();
  std::vector<const BoundPlugin*> all() const;
  bool streams() const;  // whether a sink writes to standard output
  Space chain_space() const { return samplers.back().plugin->space; }
};

// Selects the plugins and binds all remaining options of the configuration. Defaults that were taken for the user are
// logged. Throws UsageError for an unknown option or a sampler chain that is not possible, Error for a plugin that
// cannot be opened or cannot run here.
Selection choose(PluginHost& host, Configuration& configuration);

// Logs a warning when --device was given although none of the precisions uses a GPU.
void warn_unused_device(const Configuration& configuration, std::span<const BoundPlugin> precisions);

// The sampler chain that --sampler names. A chain that does not end in a selector gets nucleus at its end, with top_k 0
// and top_p 1 unless these are given, which is logged. logits: the memory space of the logits. Throws UsageError for a
// chain that is not possible.
std::vector<BoundPlugin> choose_samplers(PluginHost& host, const Configuration& configuration, Space logits);

// Makes the ids that end the model's texts the default of min-tokens' option `ends`, which cannot know them.
void set_model_defaults(std::span<BoundPlugin> samplers, const ModelConfig& model);

// Configuration::bind() with all installed plugins as the others. Skipped options are logged as warnings.
void bind_options(Configuration& configuration, PluginHost& host, std::span<BoundPlugin* const> chosen);

// The options of generate(). With --seed random a seed is drawn and logged. Throws UsageError.
Generation generation_of(const Configuration& configuration);

// The type whose rounding contract a precision keeps, by its option `type` or else its name; none when neither tells
// it.
std::optional<Type> type_of(const BoundPlugin& precision);

// The type of the embedding of tokens and of the head: what the option `head` says, or else what the type above
// implies. Nothing for a format that is no type.
std::optional<Type> head_type_of(const BoundPlugin& precision);

// The name of type_of(), or "".
std::string type_name_of(const BoundPlugin& precision);

}  // namespace gpt2run
