// The executor runs kernels that are written with sdk/cuda/device.hpp on the CPU, for tests: a block on an OS thread,
// its threads as fibers. This header has its settings and counts. It finds barriers that not all threads reach or that
// stand at different lines; masks that name a lane which has ended, has another mask or never comes; too many threads,
// too much shared memory and writes behind it; launches on a stream of another device than the one that the thread has
// selected; and, with a sanitizer, every access out of bounds. Shared memory and fresh device memory hold NaN. It
// cannot show timing, occupancy, bank conflicts, or a device's weaker memory order. Every plugin has a copy of the
// executor, with counts and a selected device of its own. A plugin that relies on the device that another one has
// selected is therefore found.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sdk/cuda/executor.hpp"

namespace gpt2run::executor {

enum class Schedule { ascending, descending, random };

// In which order threads and blocks run, and on how many OS threads. A result that depends on it is a race.
struct Settings {
  Schedule schedule = Schedule::ascending;
  uint64_t seed = 1;
  int workers = 1;
};

// Sets them for all later launches, from any thread. The environment's GPT2RUN_EXECUTOR sets them at the start of the
// process: "ascending", "descending" or "random:<seed>".
void configure(const Settings&);
Settings settings();

struct Counts {
  int64_t launches;
  int64_t waits;               // that found work to wait for
  int64_t replays;             // of graphs
  int64_t captures, released;  // graphs that were recorded and released
  int64_t downloaded;          // bytes that were copied to the host
};
Counts counts();

// Appends the name of every range that begins from now on, with a blank for each range around it: " layer 3". Null ends
// it.
void watch_ranges(std::vector<std::string>* names);

}  // namespace gpt2run::executor
