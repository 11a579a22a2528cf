// Models with packed weights (packed_folder.hpp): `--model` of such a folder, and the folders that GPT2RUN_CACHE keeps.
//
// GPT2RUN_CACHE names a folder, which is made with mode 0700. A model that is used for the first time leaves its packed
// weights there, and the next run of the same model and precision uses them. What cannot be read or written there is
// told by a warning and left out. Without the variable nothing is kept.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/config/config.hpp"
#include "common/pipeline/packed_folder.hpp"

namespace gpt2run {

// Another checkpoint and packed weights for it.
class PackedCheckpoint final : public Checkpoint {
 public:
  // Takes what a session has packed, and returns the folder in which it is now, if there is one.
  using Keep = std::function<std::optional<PackedFolder>(std::span<const PackedPart>)>;

  // keep: empty if nothing is to be kept. Does not throw. Later sessions use the folder that it returns.
  PackedCheckpoint(std::unique_ptr<Checkpoint> inner, std::vector<PackedFolder> folders, Keep keep)
      : inner_(std::move(inner)), folders_(std::move(folders)), keep_(std::move(keep)) {}

  const ModelConfig& config() const override { return inner_->config(); }
  Tensor tensor(Weight weight, int layer) const override { return inner_->tensor(weight, layer); }
  PackedWeights packed(Weight weight, int layer, const char* layout) const override;
  // Whether a folder has the weight of layer 0 in a layout whose name has this type among its words.
  bool holds(Weight weight, Type type) const;
  void keep_packed(std::span<const PackedPart> parts) const override;
  void release(Weight weight, int layer) const override { inner_->release(weight, layer); }
  const char* tokenizer() const override { return inner_->tokenizer(); }

 private:
  std::unique_ptr<Checkpoint> inner_;
  mutable std::mutex mutex_;                   // of folders_
  mutable std::vector<PackedFolder> folders_;  // grows; what is mapped stays where it is
  Keep keep_;
};

// The model that a folder of packed weights was made from, or else the given model itself. Throws Error for a damaged
// folder.
std::string source_of_model(const std::string& model);

// Opens a model, which may be a folder of packed weights. Throws Error where the source of such a folder has changed,
// and what Loader::open throws.
std::unique_ptr<Checkpoint> open_model(Loader& loader, const BoundPlugin& chosen, const std::string& model);

}  // namespace gpt2run
