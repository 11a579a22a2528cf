// One piece of work on several threads at the same time, and the clock around it.
#pragma once
#include <functional>

namespace gpt2run {

// Seconds from the moment that all `threads` threads, the caller among them, may begin work(thread) until all are done.
// work must not throw. Throws Error for more threads than the system gives.
double timed_parallel(int threads, const std::function<void(int thread)>& work);

}  // namespace gpt2run
