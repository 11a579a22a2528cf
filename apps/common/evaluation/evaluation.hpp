// What the programs that hold precisions against each other begin with: one model, its tokenizer, and the precisions.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "common/config/manifest.hpp"
#include "common/pipeline/choice.hpp"

namespace gpt2run {

// own, then what all programs of the lab have: model, loader, tokenizer, prompts, resources and plugin folders, as
// gpt2run declares them, --config and --help.
std::vector<CoreOption> evaluation_options(std::span<const CoreOption> own);

// What an instance is called in results: the plugin's name and the options that it was named with,
// "reference:type=fp16".
std::string instance_name(const BoundPlugin& chosen);

// The plugin host outlives it. One thread at a time.
class Evaluation {
 public:
  // options: those of the program that name precisions, comma between; their instances stand in this order. Opens the
  // model, binds the options of all plugins, logs what was chosen for the user. Throws UsageError or Error.
  Evaluation(PluginHost& host, Configuration& configuration, std::span<const char* const> options);
  Evaluation(const Evaluation&) = delete;  // instances look at its precisions and its model
  Evaluation& operator=(const Evaluation&) = delete;

  const std::string& model() const { return model_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }  // null: token ids only
  std::span<const BoundPlugin> precisions() const { return precisions_; }
  std::vector<const BoundPlugin*> plugins() const;  // the loader, then the precisions

  // Program, plugins and model; options: of the program, as they decide what is computed. Prompts are the caller's.
  Manifest manifest(std::vector<RecordedOption> options) const;

 private:
  PluginHost& host_;
  std::string model_;
  BoundPlugin loader_;
  std::vector<BoundPlugin> precisions_;
  std::unique_ptr<Loader> opener_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace gpt2run
