// The command that begins a plugin's project.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// Runs "gpt2plugins new". arguments: those behind it, KIND NAME [FOLDER]. Writes the project and prints what to do with
// it. The folder appears whole or not at all, and one that exists already is an error unless it is empty. Throws
// UsageError for a wrong command line, Error where the folder cannot be written.
void new_project(const std::vector<std::string>& arguments);

// A file of gpt2run's sources that new projects are made of, by its path there. Empty if there is none.
std::string_view template_file(std::string_view name);

}  // namespace gpt2run
