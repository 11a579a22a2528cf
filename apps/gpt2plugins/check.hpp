// The command that checks whether plugins keep the contract of their kinds.
#pragma once
#include <string>
#include <vector>

namespace gpt2run {

// Runs the command. program: what a user types for it, "gpt2plugins check" or "gpt2run-plugin-check". arguments: those
// behind it. Returns the exit code, 0 when no check failed and 1 when one did. Throws UsageError for a wrong command
// line, Error when the report cannot be written.
int check_command(const std::string& program, const std::vector<std::string>& arguments);

}  // namespace gpt2run
