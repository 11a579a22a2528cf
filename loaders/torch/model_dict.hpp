// Finds the weights and the settings of a model in what a file of torch.save holds.
#pragma once
#include <optional>
#include <string>

#include "../common/stored_tensors.hpp"
#include "torch_file.hpp"

namespace gpt2run::torch {

// Settings of a model as nanoGPT and minGPT name them. Any of them may be missing.
struct Arguments {
  std::optional<int64_t> n_layer, n_head, n_embd, block_size, vocab_size;
  std::string model_type;  // of minGPT, such as "gpt-nano"
};

struct ModelDict {
  Value weights;                  // a dictionary of tensors by name
  std::optional<Value> settings;  // under model_args or config: a dictionary or object
  bool is_nanogpt;                // the settings are under model_args
};

// The weights are the value itself or stand in it under "model", "state_dict" or "model_state_dict". Throws Error for a
// value without any, saying what it has.
ModelDict find_model(const TorchFile& file);

// Adds all tensors of the dictionary by their names in it. Throws Error.
void add_tensors(loaders::StoredTensors& tensors, const TorchFile& file, const ModelDict& model);

// Throws Error for a setting of the wrong type.
Arguments read_arguments(const TorchFile& file, const Value& settings);

}  // namespace gpt2run::torch
