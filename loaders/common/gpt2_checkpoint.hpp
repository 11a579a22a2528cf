// A checkpoint of GPT-2 over the tensors that a model's files hold under the names of transformers, nanoGPT and minGPT.
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gpt2run/loader.hpp"
#include "stored_tensors.hpp"

namespace gpt2run::loaders {

// The folder, if it has a tokenizer, or "": tokenizer.json, vocab.json with merges.txt, encoder.json with vocab.bpe,
// vocab.txt, or meta.pkl. A link to nothing counts, so that opening the tokenizer can name it.
std::string tokenizer_in(const std::filesystem::path& folder);

// Whether the four matrices of the layers are stored as (out, in), as nn.Linear in nanoGPT and minGPT keeps them, and
// not as (in, out), as Conv1D in transformers does. Decided by attn.c_attn of most layers, which is never square.
bool is_linear_layout(const StoredTensors& tensors);

// It owns the files and shows their tensors where they lie; only biases that a model does not have are made of zeros.
class Gpt2Checkpoint final : public Checkpoint {
 public:
  // tied: whether the output head is said to be wte; nothing if the model's files do not say. A stored head is used
  // whatever they say, and one that equals wte counts as tied. tokenizer: a path, or "" for none. quantised: i8 or u4,
  // the type of the layers' matrices; all matrices but wpe are then quantised (quantised_type_of in sdk/quantise.hpp)
  // and stored as (out, in). Throws Error for a missing tensor, a wrong shape, a wrong type, and as quantised_view()
  // does.
  Gpt2Checkpoint(const ModelConfig& model, std::optional<bool> tied, StoredTensors tensors, std::string tokenizer,
                 const Host& host, std::optional<Type> quantised = std::nullopt);

  const ModelConfig& config() const override { return model_; }
  const char* tokenizer() const override { return tokenizer_.empty() ? nullptr : tokenizer_.c_str(); }
  Tensor tensor(Weight weight, int layer) const override;
  void release(Weight weight, int layer) const override;

 private:
  void find_known();
  void find_weights(std::optional<bool> tied, const Host& host);
  void find_biases(const Host& host);
  const StoredTensor* stored(Weight weight, int layer) const;
  Tensor fetch(Weight weight, int layer) const;
  Tensor embedding(std::optional<bool> tied) const;
  Tensor head(std::optional<bool> tied, const Tensor& wte, const Host& host) const;

  ModelConfig model_;
  StoredTensors tensors_;
  std::string tokenizer_;
  std::optional<Type> quantised_;
  bool is_linear_;
  std::set<std::string> known_;                       // the names of all tensors of a GPT-2 with this many layers
  std::vector<std::array<Tensor, kWeights>> layers_;  // [layer][weight]; weights outside of layers are in layer 0
  std::vector<float> zeros_;                          // the biases of a model without
};

}  // namespace gpt2run::loaders
