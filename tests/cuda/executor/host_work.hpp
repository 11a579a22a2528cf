// Work of the host in the order of a stream, for what the executor does not run as a kernel.
#pragma once
#include <functional>

namespace gpt2run::executor {

// Runs `work` when the stream comes to it, at once without a stream; recorded as launches are.
void enqueue(void* stream, std::function<void()> work);

}  // namespace gpt2run::executor
