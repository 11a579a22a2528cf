// Selection of the model, its loader and its tokenizer, for every program that opens a model.
#pragma once
#include <memory>
#include <string>

#include "common/config/config.hpp"
#include "gpt2run/loader.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "host/plugin_host.hpp"

namespace gpt2run {

// The model's path or name: --model, or else the environment variable GPT2RUN_MODEL, or else the demo model. A name on
// Hugging Face's hub becomes the path in its cache (model_path.hpp). A default is logged.
std::string model_of(const Configuration& configuration);

// The plugin that an option names, as PLUGIN or PLUGIN:KEY=VALUE. Throws UsageError when it names several.
PluginSpec single_plugin(const Configuration& configuration, const char* option);

// The loader that --loader names, or else the one whose probe() of the model has the highest score. Its options are not
// bound yet. Throws Error naming the loaders that were tried.
BoundPlugin choose_loader(PluginHost& host, const Configuration& configuration, const std::string& model);

// Throws Error if the tokenizer has ordinary tokens beyond the model's vocabulary. Added tokens beyond it, which a
// model may not have been made larger for, are a warning. path: the tokenizer's, for messages.
void check_vocabulary(const std::string& path, const Tokenizer& tokenizer, const ModelConfig& model);

// Opens the tokenizer of --tokenizer, or else the model's own. Returns null, and logs it, when there is neither. Throws
// Error.
std::unique_ptr<Tokenizer> open_tokenizer(const Configuration& configuration, const Checkpoint& checkpoint);

}  // namespace gpt2run
