// How much memory this process can still take.
#pragma once
#include <cstdint>

namespace gpt2run {

// Bytes that can be taken without swapping: what Linux estimates (MemAvailable), and at most what is left of the limit
// of a container (control groups, version 1 and 2). The largest int64_t if nothing is known.
int64_t available_memory();

}  // namespace gpt2run
