// Paths of what was installed with a program. They are relative to the program's own file, so that a build tree, an
// installed tree and a moved one all work. Any thread.
#pragma once
#include <filesystem>

namespace gpt2run {

// The folder of the running program's file, with links resolved. Throws Error if the system does not tell.
std::filesystem::path executable_folder();

// The model that is used when none is named: ../share/gpt2run/models/demo, relative to executable_folder(). Throws
// Error if it is missing, as when the program alone was copied elsewhere.
std::filesystem::path demo_model();

}  // namespace gpt2run
