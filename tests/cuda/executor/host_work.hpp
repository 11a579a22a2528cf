// Enqueuing host work in stream order, for what the executor does not run as a kernel.
#pragma once
#include <functional>

namespace gpt2run::executor {

// Runs `work` in stream order, or at once without a stream. Graphs record it as they record launches.
void enqueue(void* stream, std::function<void()> work);

// Throws Error unless the calling thread has selected the stream's device, as it must for a launch.
void check_device(const char* what, void* stream);

}  // namespace gpt2run::executor
