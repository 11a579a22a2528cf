// The executor's own settings and counts, for tests. It runs kernels written against gpt2run/cuda/device.hpp on the
// CPU: a block on an OS thread, its threads as fibers. It finds: barriers that not all threads reach or that stand at
// different lines, masks that name a lane which is gone, has another mask or never comes, too many threads, too much
// shared memory, writes behind shared memory; launches on a stream of another device than the one that the thread has
// selected, of which each plugin here has a record of its own, so that it must select it by itself; with a sanitizer
// every access out of bounds. Shared and fresh device memory hold NaN. It cannot show timing, occupancy, bank
// conflicts, or a device's weaker memory order.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sdk/cuda/executor.hpp"

namespace gpt2run::executor {

enum class Schedule { ascending, descending, random };

// In which order threads and blocks run, and on how many OS threads. What depends on it is a race.
struct Settings {
  Schedule schedule = Schedule::ascending;
  uint64_t seed = 1;
  int workers = 1;
};

// Of all launches from here on, any thread. At the start of the process what the environment's GPT2RUN_EXECUTOR says:
// "ascending", "descending" or "random:<seed>".
void configure(const Settings&);
Settings settings();

struct Counts {
  int64_t launches, waits;              // waits: only those that found work to wait for
  int64_t replays, captures, released;  // captures, released: graphs that were recorded, and that were released
  int64_t downloaded;                   // bytes
};
Counts counts();

// The ranges that begin from here on are listed, indented by a blank for each that they are in: "layer 3". Null: no
// more.
void watch_ranges(std::vector<std::string>* names);

}  // namespace gpt2run::executor
