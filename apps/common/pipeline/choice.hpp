// From options to plugins: which ones take part, with which options. choose() opens plugin libraries and binds options;
// nothing is made yet.
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

// The options of a program that runs the pipeline; help and documentation come from here.
std::span<const CoreOption> pipeline_options();

// Plugins with their options bound. Throws UsageError for a chain that cannot be, Error for a plugin that cannot run.
struct Selection {
  std::string model;  // path or name
  BoundPlugin loader, precision;
  std::vector<BoundPlugin> samplers;  // in their order; the last one selects
  std::vector<BoundPlugin> sinks;

  std::vector<BoundPlugin*> all();
  std::vector<const BoundPlugin*> all() const;
  bool streams() const;  // a sink writes to standard output
  Space chain_space() const { return samplers.back().plugin->space; }
};

// Logs what was chosen for the user. Every name on the command line finds its option here, or is refused.
Selection choose(PluginHost& host, Configuration& configuration);

// Logs that --device was given, and none of the precisions uses one.
void warn_unused_device(const Configuration& configuration, std::span<const BoundPlugin> precisions);

// The chain that --sampler names: one that does not select gets nucleus at its end, with top_k 0 and top_p 1 unless
// given; logged. logits: the memory where they are. Throws UsageError for a chain that cannot be.
std::vector<BoundPlugin> choose_samplers(PluginHost& host, const Configuration& configuration, Space logits);

// Configuration::bind() with all plugins that there are; logs what it skips.
void bind_options(Configuration& configuration, PluginHost& host, std::span<BoundPlugin* const> chosen);

// Options of the loop. `random` draws a seed, which is logged.
Generation generation_of(const Configuration& configuration);

// The type whose rounding contract a precision keeps, by its option `type` or its name; none when they do not tell.
std::optional<Type> type_of(const BoundPlugin& precision);

// Its name, or "".
std::string type_name_of(const BoundPlugin& precision);

}  // namespace gpt2run
