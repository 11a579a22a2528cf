// Small files and standard input, read whole. Any thread; standard input by one at a time.
#pragma once
#include <filesystem>
#include <string>

namespace gpt2run {

// before: of the path in messages ("--config "). A pipe is read to its end, but one that nobody writes to is an error,
// not a wait without end. A signal whose handler was installed without SA_RESTART ends a wait. Throws Error naming the
// path and the system's reason, or the most that is read (256 MiB).
std::string read_file(const std::filesystem::path& path, const std::string& before = "");

// before: of its name in messages ("--prompt -: ").
std::string read_standard_input(const std::string& before);

}  // namespace gpt2run
