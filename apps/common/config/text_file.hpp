// Reading of text files that a person wrote.
#pragma once
#include <string>

namespace gpt2run {

// Reads a whole file as read_file() does, without the byte order mark that some editors put before UTF-8. before: a
// text that error messages begin with.
std::string read_text(const std::string& path, const std::string& before = "");

}  // namespace gpt2run
