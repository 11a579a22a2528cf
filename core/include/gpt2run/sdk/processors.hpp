// How many processors there are for this process.
#pragma once
#include <sched.h>

#include <algorithm>
#include <thread>

namespace gpt2run {

// Those that the caller may run on, 1 or more: the system's, or fewer where it was bound to some (taskset, a launcher
// of ranks).
inline int processors() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more than the set can hold
}

}  // namespace gpt2run
