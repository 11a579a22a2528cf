// Files that a person wrote, read whole.
#pragma once
#include <string>

namespace gpt2run {

// read_file() without a byte order mark.
std::string read_text(const std::string& path, const std::string& before = "");

}  // namespace gpt2run
