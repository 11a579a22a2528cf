// Paths of what was installed with a program. They are relative to the program's own file, so that a build tree, an
// installed tree and a moved one all work. Any thread, once set_installation() has been called, if it is.
#pragma once
#include <filesystem>

namespace gpt2run {

// The folder of the running program's file, with links resolved. Throws Error if the system does not tell.
std::filesystem::path executable_folder();

// The folder that holds lib/gpt2run and share/gpt2run: the one above executable_folder(), or what was set.
std::filesystem::path installation();

// Sets the folder for a library that is loaded into a program of others, such as Python. Before any other thread asks.
void set_installation(std::filesystem::path folder);

// The model that is used when none is named: share/gpt2run/models/demo in installation(). Throws Error if it is
// missing, as when the program alone was copied elsewhere.
std::filesystem::path demo_model();

}  // namespace gpt2run
