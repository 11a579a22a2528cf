// Which loader opens a model: for every program that takes one.
#pragma once
#include <string>

#include "host/config.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// The one plugin that an option names: PLUGIN or PLUGIN:KEY=VALUE. Throws UsageError.
PluginSpec single_plugin(const Configuration& configuration, const char* option);

// The loader of --loader; where that is empty, the one whose probe of the model scores highest. Throws Error naming the
// loaders that were asked. Its options are still to be bound.
Chosen choose_loader(PluginHost& host, const Configuration& configuration, const std::string& model);

}  // namespace gpt2run
