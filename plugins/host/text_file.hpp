// Files that a person wrote, read whole.
#pragma once
#include <string>

namespace gpt2run {

// The content without a byte order mark. before: of the path in messages ("--config "). Throws Error naming path and
// the system's reason, or the most that is read.
std::string read_text(const std::string& path, const std::string& before = "");

// All bytes of standard input. before: of its name in messages ("--prompt -: ").
std::string read_standard_input(const std::string& before);

}  // namespace gpt2run
