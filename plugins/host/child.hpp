// Runs a function that may crash, exit or hang in a child process. The program must have a single thread, because this
// uses fork().
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace gpt2run {

// The outcome of a child process.
struct ChildResult {
  std::string text;     // what the function returned or told
  std::string failure;  // how it failed, such as "crashed (Segmentation fault)"; empty if it returned
};

// Runs the function in a child process, which is killed after `limit`. Its output is discarded. The text that it
// returns must not contain a zero byte. Throws Error when the child cannot be started.
ChildResult run_in_child(const std::function<std::string()>& function, std::chrono::milliseconds limit);

// Passes a text without zero bytes to the parent. What was told before a failure is in the result all the same.
using Tell = std::function<void(std::string_view text)>;

// The same for a function that tells its result piece by piece, and whose end counts too: the child ends as by exit(),
// with the destructors of static objects and the leak check of sanitizers, and an exit code other than 0 is a failure.
// Its standard output and standard error both go to this process's standard error. Where memory runs out, the child is
// killed before its parent.
ChildResult run_whole_child(const std::function<void(const Tell&)>& function, std::chrono::milliseconds limit);

}  // namespace gpt2run
