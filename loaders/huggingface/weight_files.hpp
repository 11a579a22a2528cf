// Which files of a folder hold the weights, in the format safetensors.
#pragma once
#include <filesystem>

#include "../common/stored_tensors.hpp"

namespace gpt2run::huggingface {

// Whether a folder has any safetensors file, or an index of some.
bool has_weights(const std::filesystem::path& folder);

// Maps a model's safetensors files. given: a folder, a file, an index, or one shard, which stands for its index. Of a
// folder it is model.safetensors, or else the shards that model.safetensors.index.json lists, or else the only
// safetensors file or index that is there. Throws Error naming the file.
loaders::StoredTensors open_weights(const std::filesystem::path& given, const Host& host);

}  // namespace gpt2run::huggingface
