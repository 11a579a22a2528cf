// What the device headers need where no CUDA compiler is at work: the calls of kernels and of their host side. Only the
// tests define them (tests/cuda/executor), so that no program can fall back on an emulated device.
// A launch runs in stream order when somebody waits; without a stream it runs at once. Errors that a kernel makes are
// thrown as Error, naming kernel, block, thread and line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>

namespace gpt2run::executor {

using Site = std::source_location;

// The running thread of a kernel.
struct Thread {
  int thread, threads;
  int block[3], blocks[3];
  void* shared;
};
const Thread& self();

void sync_block(Site);

// Waits until all lanes of the mask are here. The values of all lanes: (32, bytes), those outside the mask undefined;
// valid until this thread's next meeting. Throws Error unless the mask names the caller and `source`, lanes that are
// still running, and what the others of the mask name.
const void* meet(uint32_t mask, const void* value, size_t bytes, int source, Site);

struct Launch {
  const char* name;
  int blocks[3];
  int threads;
  size_t shared, most_shared;
};
void launch(const Launch&, void* stream, std::function<void()> thread);

// Of gpt2run/cuda/range.hpp.
void begin_range(const char* name, int64_t number);
void end_range();

}  // namespace gpt2run::executor
