// Which model, which loader opens it and which tokenizer goes with it: for every program that takes one.
#pragma once
#include <memory>
#include <string>

#include "common/config/config.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// --model, else GPT2RUN_MODEL, else the demo model; a choice made for the user is logged.
std::string model_of(const Configuration& configuration);

// The one plugin that an option names: PLUGIN or PLUGIN:KEY=VALUE. Throws UsageError.
PluginSpec single_plugin(const Configuration& configuration, const char* option);

// The loader of --loader; where that is empty, the one whose probe of the model scores highest. Throws Error naming the
// loaders that were asked. Its options are still to be bound.
BoundPlugin choose_loader(PluginHost& host, const Configuration& configuration, const std::string& model);

// That of --tokenizer, else the model's own; null, logged, where there is none. Throws Error.
std::unique_ptr<Tokenizer> open_tokenizer(const Configuration& configuration, const Checkpoint& checkpoint);

}  // namespace gpt2run
