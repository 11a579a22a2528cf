// The files that a conversion reads, so that none of them is replaced.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace gpt2run::convert {

// The model's files, those that are read beside them, and the tokenizer's. model: a path, or the name of a synthetic
// model. tokenizer: a path, or empty.
std::vector<std::filesystem::path> inputs_of(const std::filesystem::path& model, const std::string& tokenizer);

}  // namespace gpt2run::convert
