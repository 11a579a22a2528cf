// The files that make up a model.
#pragma once
#include <filesystem>
#include <vector>

namespace gpt2run {

// The files that are read with a model: the path itself, or all files in a folder; and settings and other parts that
// stand beside a file. Some may not exist. model: a path, or the name of a synthetic model.
std::vector<std::filesystem::path> model_files(const std::filesystem::path& model);

// A path itself, or all files in a folder.
std::vector<std::filesystem::path> files_at(const std::filesystem::path& path);

}  // namespace gpt2run
