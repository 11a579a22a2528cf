// A whole file in memory.
#pragma once
#include <filesystem>
#include <string>

namespace gpt2run {

// Throws Error naming the path.
std::string read_file(const std::filesystem::path& path);

}  // namespace gpt2run
