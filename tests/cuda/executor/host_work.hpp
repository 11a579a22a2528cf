// Work of the host in the order of a stream, for what the executor does not run as a kernel.
#pragma once
#include <functional>

namespace gpt2run::executor {

// Runs `work` when the stream comes to it, at once without a stream; recorded as launches are.
void enqueue(void* stream, std::function<void()> work);

// Throws Error unless the thread has selected the stream's device, as a launch must.
void check_device(const char* what, void* stream);

}  // namespace gpt2run::executor
