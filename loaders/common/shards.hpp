// Models in several files (shards) that an index lists, as transformers writes them.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "stored_tensors.hpp"

namespace gpt2run::loaders {

// The path of the index that belongs to a shard: "a/model-00001-of-00002.safetensors" -> the path of
// "a/model.safetensors.index.json". Nothing for a name of another form.
std::optional<std::string> index_of_shard(const std::string& path);

// The index of a shard that is named alone, or else the file itself. Logs that others are read, too. Throws Error for a
// shard without its index.
std::filesystem::path whole_of(const std::filesystem::path& file, const Host& host);

// Reads the index of tensors.path() and calls add_file(path) for each shard once. extension: that of every shard.
// add_file puts the tensors of a file into `tensors` under the names that it has in the file. Throws Error for a shard
// outside of the index's folder, and for a tensor that is not in the file that the index names.
void add_shards(StoredTensors& tensors, const std::string& extension,
                const std::function<void(const std::string& path)>& add_file);

}  // namespace gpt2run::loaders
