// Runs a function that may crash, exit or hang in a child process. For programs with one thread (fork).
#pragma once
#include <chrono>
#include <functional>
#include <string>

namespace gpt2run {

struct ChildResult {
  std::string text;     // what the function returned, empty unless it returned
  std::string failure;  // one phrase: "crashed (Segmentation fault)"; empty when it returned
};

// The child's own output goes nowhere, and it is killed after limit. The text holds no zero byte. Throws Error when the
// system gives no child.
ChildResult run_in_child(const std::function<std::string()>& function, std::chrono::milliseconds limit);

}  // namespace gpt2run
