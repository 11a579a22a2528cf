// How much memory this process can take.
#pragma once
#include <cstdint>

namespace gpt2run {

// Bytes that can still be taken without swapping: what Linux estimates (MemAvailable), and at most what is left of the
// limit of a container (control groups, version 1 and 2), whose pages of files can be given back. The largest int64_t
// if nothing is known.
int64_t available_memory();

// Bytes that there are for processes here, swap included, and at most the limit of a container. The largest int64_t if
// nothing is known.
int64_t total_memory();

}  // namespace gpt2run
