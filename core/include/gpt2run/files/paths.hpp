// Where a program finds what was installed with it: relative to its own file, so that the build tree, an installed tree
// and a moved one all work. Any thread.
#pragma once
#include <filesystem>

namespace gpt2run {

// The folder of the running program's file, links resolved. Throws Error when the system does not tell.
std::filesystem::path executable_folder();

// The model used when none is named: ../share/gpt2run/models/demo beside executable_folder(). Throws Error where there
// is none: the program was copied away from what was installed with it.
std::filesystem::path demo_model();

}  // namespace gpt2run
