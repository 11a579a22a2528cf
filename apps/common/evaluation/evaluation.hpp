// The common start of the programs that compare precisions: one model, its tokenizer, and the precisions to run it in.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/config/manifest.hpp"
#include "common/pipeline/choice.hpp"

namespace gpt2run {

// The options of an evaluation program: its own, followed by those that all of them share. These are the model, loader,
// tokenizer, prompts, resources and plugin folders, as gpt2run declares them, and --config and --help.
std::vector<CoreOption> evaluation_options(std::span<const CoreOption> own);

// The name of a precision in results: the plugin's name with the options that were given with it, such as
// "reference:type=fp16".
std::string instance_name(const BoundPlugin& chosen);

// The model and the precisions of an evaluation. The plugin host outlives it. Used by one thread at a time.
class Evaluation {
 public:
  // Opens the model and binds the options of all plugins. options: the names of the program's options that list
  // precisions; precisions() has them in this order. Defaults that were taken for the user are logged. Throws
  // UsageError or Error.
  Evaluation(PluginHost& host, Configuration& configuration, std::span<const char* const> options);
  Evaluation(const Evaluation&) = delete;  // instances point to its precisions and its model
  Evaluation& operator=(const Evaluation&) = delete;

  const std::string& model() const { return model_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }  // null: token ids only
  std::span<const BoundPlugin> precisions() const { return precisions_; }
  std::vector<const BoundPlugin*> plugins() const;  // the loader, then the precisions

  // A manifest with the program, the plugins and the model. options: the program's options that determine what is
  // computed. The prompts are left to the caller.
  Manifest manifest(std::vector<RecordedOption> options) const;

 private:
  PluginHost& host_;
  std::string model_;
  BoundPlugin loader_;
  std::vector<BoundPlugin> precisions_;
  std::vector<RecordedFile> files_;
  std::unique_ptr<Loader> opener_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace gpt2run
