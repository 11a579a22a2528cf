// Runs a function that may crash, exit or hang in a child process. The program must have a single thread, because this
// uses fork().
#pragma once
#include <chrono>
#include <functional>
#include <string>

namespace gpt2run {

// The outcome of a child process.
struct ChildResult {
  std::string text;     // what the function returned
  std::string failure;  // how it failed, such as "crashed (Segmentation fault)"; empty if it returned
};

// Runs the function in a child process, which is killed after `limit`. Its output is discarded. The text that it
// returns must not contain a zero byte. Throws Error when the child cannot be started.
ChildResult run_in_child(const std::function<std::string()>& function, std::chrono::milliseconds limit);

}  // namespace gpt2run
