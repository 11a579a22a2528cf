// The sizes of a model whose file has no config.json of transformers: nanoGPT's and minGPT's.
#pragma once
#include <string>

#include "../common/stored_tensors.hpp"
#include "gpt2run/loader.hpp"
#include "model_dict.hpp"

namespace gpt2run::torch {

// Reads the settings in a config.json of minGPT, which stand under "model". Nothing if it is none of minGPT's. Throws
// Error for a file that is no JSON.
std::optional<Arguments> read_mingpt_config(const std::string& path);

// All sizes are those of the tensors, and those of `arguments` must agree with them. Only the number of heads is not to
// be seen in tensors: it comes from `arguments`, from their model_type, or from `heads`, which is 0 if it was not
// given. tensors: their prefixes are stripped. Throws Error.
ModelConfig sizes_of(const loaders::StoredTensors& tensors, const Arguments& arguments, int64_t heads);

}  // namespace gpt2run::torch
