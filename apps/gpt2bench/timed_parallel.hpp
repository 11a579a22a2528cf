// The clock of all measurements, and one piece of work that it times on several threads at once.
#pragma once
#include <chrono>
#include <functional>

namespace gpt2run {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Seconds from the moment that all `threads` threads, the caller among them, may begin work(thread) until all are done.
// work must not throw. Throws Error for more threads than the system gives.
double timed_parallel(int threads, const std::function<void(int thread)>& work);

}  // namespace gpt2run
