// Which file of a folder holds a model that torch.save() wrote.
#pragma once
#include <filesystem>

#include "gpt2run/plugin.hpp"

namespace gpt2run::torch {

std::filesystem::path parent_of(const std::filesystem::path& file);

// Whether a file is the index of shards, such as pytorch_model.bin.index.json.
bool is_index(const std::filesystem::path& file);

// What Loader::probe returns. A folder counts less than one of safetensors does.
int score_of(const std::filesystem::path& given);

// The file of weights, or the index of their shards. given: one of these, a shard, which stands for its index, or a
// folder. Of a folder it is pytorch_model.bin, else its index, else the only file of torch.save() that is there, such
// as ckpt.pt. Throws Error for a folder with none or several.
std::filesystem::path find_file(const std::filesystem::path& given, const Host& host);

}  // namespace gpt2run::torch
