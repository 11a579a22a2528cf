// The clock of all measurements, and timed work on several threads at the same time.
#pragma once
#include <chrono>
#include <functional>

namespace gpt2run {

// The seconds that have passed since `begin`.
inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Runs work(thread) on `threads` threads, the calling one included, and returns the seconds from their common start
// until the last one is done. `work` must not throw. Throws Error when the system cannot start that many threads.
double timed_parallel(int threads, const std::function<void(int thread)>& work);

}  // namespace gpt2run
