// Work of the host in stream order, for what the executor does not run as a kernel.
#pragma once
#include <functional>

namespace gpt2run::executor {

// Runs `work` in stream order, or at once without a stream. It is recorded in graphs as launches are.
void enqueue(void* stream, std::function<void()> work);

// Throws Error unless the thread has selected the stream's device, as a launch must.
void check_device(const char* what, void* stream);

}  // namespace gpt2run::executor
