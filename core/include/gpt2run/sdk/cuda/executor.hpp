// What the device headers call where a plain C++ compiler compiles them. Only the tests define these functions
// (tests/cuda/executor), so that no program can fall back on an emulated device.
// A launch runs in stream order when somebody waits, or at once without a stream. Faults of a kernel are thrown as
// Error, naming kernel, block, thread and line.
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

// Waits until all lanes of the mask have called it. Returns the values of all lanes, (32, bytes), which are undefined
// outside the mask and valid until this thread's next call. Throws Error unless the mask names the caller, `source` and
// only lanes that are still running, and equals the masks of the others that it names.
const void* meet(uint32_t mask, const void* value, size_t bytes, int source, Site);

struct Launch {
  const char* name;
  int blocks[3];
  int threads;
  size_t shared, most_shared;
};
void launch(const Launch&, void* stream, std::function<void()> thread);

// For sdk/cuda/range.hpp.
void begin_range(const char* name, int64_t number);
void end_range();

}  // namespace gpt2run::executor
