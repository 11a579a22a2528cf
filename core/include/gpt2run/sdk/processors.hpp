// The number of processors that this process may use.
#pragma once
#include <sched.h>

#include <algorithm>
#include <thread>

namespace gpt2run {

// The processors that the calling thread may run on, at least 1. That is all of the machine's, unless it was bound to
// some of them (taskset, a launcher of ranks).
inline int processors() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(1, CPU_COUNT(&allowed));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));  // more processors than cpu_set_t holds
}

}  // namespace gpt2run
