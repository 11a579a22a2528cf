// Reading the files of a tokenizer's folder. What is not the file that it should be is named: a link to nothing, a Git
// LFS pointer, a web page, an empty file.
#pragma once
#include <filesystem>
#include <string>

#include "gpt2run/error.hpp"
#include "gpt2run/json/json.hpp"

namespace gpt2run {

// The contents of a file. Throws Error, and UnreadTokenizer for what is not the file.
std::string read_token_file(const std::filesystem::path& path);

// A text file, without the byte order mark that some editors put before it. Throws as above, and for UTF-16 and UTF-32.
std::string read_token_text(const std::filesystem::path& path);

// A file with a JSON object. Throws as above.
json::Document read_token_json(const std::filesystem::path& path);

}  // namespace gpt2run
