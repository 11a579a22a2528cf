// Reading of text files that a person wrote.
#pragma once
#include <string>

namespace gpt2run {

// Reads a whole file as read_file() does, and makes it as_utf8(). before: a text that error messages begin with.
std::string read_text(const std::string& path, const std::string& before = "");

// Text that a person wrote, as UTF-8: without the byte order mark that some editors put before it. name: where it came
// from, for messages. Throws Error for UTF-16 and UTF-32, which begin with another mark or with zero bytes. Any other
// bytes are left as they are.
std::string as_utf8(std::string text, const std::string& name);

}  // namespace gpt2run
