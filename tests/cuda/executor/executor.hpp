// The executor: runs kernels written with sdk/cuda/device.hpp on the CPU, for tests. A block runs on one OS thread,
// with its threads as fibers. This header has the executor's settings and counts. It reports these faults:
//   barriers that not all threads reach, or that threads reach at different lines;
//   masks that name a lane that has ended, that never comes, or that has a different mask;
//   asynchronous copies that are not aligned, that meet another one, or that a thread does not wait for;
//   kernels on a dependent stream of which a thread does not wait for the kernel in front, or writes before it waits;
//   barriers of a cluster that a thread does not wait at, and more blocks of a cluster than the device has;
//   values that are sent to a block of the cluster that may not have begun, has ended, or does not wait for them;
//   too many threads, too much shared memory, and writes beyond it;
//   launches on a stream of another device than the thread has selected;
//   arguments of launches, copies and products that point to memory of the host, or of another device;
//   vectors of 16 bytes that are not aligned to 16 bytes;
//   products of a shape that cuBLASLt has not seen, while a graph is recorded;
//   with a sanitizer, every access out of bounds. Shared memory and fresh device memory are filled with NaN,
//   and so is device memory that is not read-only before the kernel in front is waited for (hidden_memory.hpp).
// Host code that reads device memory ends with a segmentation fault where that is asked for (memory.hpp). A launch or
// copy without a stream is an exception: it runs at once, and may work on the host's memory, as many tests do. It
// cannot show timing, occupancy, bank conflicts, or a device's weaker memory order. Every plugin has its own copy of
// the executor, with its own counts and selected device, so a plugin that relies on a device that another plugin has
// selected is found.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/sdk/cuda/executor.hpp"

namespace gpt2run::executor {

enum class Schedule { ascending, descending, random };

// The order in which threads and blocks run, and the number of OS threads. A result that depends on these is a race.
// at_once: how many blocks the device says that it runs at once. cluster: the most blocks that a cluster has on it, or
// 0.
struct Settings {
  Schedule schedule = Schedule::ascending;
  uint64_t seed = 1;
  int workers = 1;
  int at_once = 2;
  int cluster = 2;
};

// Sets these for all later launches of any thread. The environment variable GPT2RUN_EXECUTOR sets them at the start of
// the process: "ascending", "descending" or "random:<seed>".
void configure(const Settings&);
Settings settings();

struct Counts {
  int64_t launches;
  int64_t waits;               // waits that found work to do
  int64_t replays;             // replays of graphs
  int64_t captures, released;  // graphs recorded; graphs released
  int64_t downloaded;          // bytes copied to the host
  // What a launch takes on a device at least, whatever runs beside it, added up over all launches. Both are those of
  // the block that has most of them.
  int64_t steps;      // parts of a block between barriers
  int64_t contended;  // atomic updates of shared memory that wait for each other: those of the address that a step
                      // updates most often, added up over the steps
  int64_t dependent;  // launches on a dependent stream
};
Counts counts();

// While one lives, host code may access the memory of a device that this copy of the executor has taken, as a test does
// which looks at results in place. May be nested. Thread-safe.
inline constexpr int kEveryDevice = -1;
class OpenMemory {
 public:
  explicit OpenMemory(int device = kEveryDevice);
  ~OpenMemory();
  OpenMemory(const OpenMemory&) = delete;

 private:
  int device_;
};

// Appends the name of every range that begins from now on, indented by one space for each range around it: " layer 3".
// Null ends this.
void watch_ranges(std::vector<std::string>* names);

}  // namespace gpt2run::executor
