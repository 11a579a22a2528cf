// Enqueuing host work in stream order, for what the executor does not run as a kernel.
#pragma once
#include <functional>

namespace gpt2run::executor {

// Runs `work` in stream order, or at once without a stream. Graphs record it as they record launches.
void enqueue(void* stream, std::function<void()> work);

// Throws Error unless the calling thread has selected the stream's device, as it must for a launch.
void check_device(const char* what, void* stream);

// Throws Error if one of the words of these values is the address of memory that the stream's device cannot access.
// Without a stream it checks nothing.
void check_pointers(const char* what, const void* values, size_t bytes, void* stream);

// Whether the calling thread records a graph.
bool is_recording();

}  // namespace gpt2run::executor
