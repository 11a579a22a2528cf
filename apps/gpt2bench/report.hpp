// The report of gpt2bench, as a table and as JSON.
#pragma once
#include <string>
#include <vector>

#include "gpt2bench/compute.hpp"
#include "gpt2bench/decode_bench.hpp"

namespace gpt2run {

// The read bandwidth at one number of threads, in bytes per second.
struct Bandwidth {
  int threads;
  Samples samples;
};

// The arithmetic rate at one number of threads, in operations per second.
struct Compute {
  int threads;
  Arithmetic arithmetic;
  Samples samples;
};

// Everything that was measured.
struct Report {
  std::string machine;             // name of the processor, "" when the system does not tell
  int processors;                  // how many this process may use
  double load_before, load_after;  // see machine_load()
  std::string model;
  ModelConfig config;
  std::string sampler;
  Workload work;
  size_t bandwidth_bytes;  // read in one pass
  std::vector<Bandwidth> bandwidths;
  std::vector<Compute> computes;
  std::vector<Series> series;
  std::vector<Decode> decodes;
};

// Fills in `machine`, `processors` and `load_before`.
void describe_machine(Report& report);

// The load average of the machine over the last minute, in runnable threads; NaN when the system does not tell.
double machine_load();

// The number of threads that a series runs on, which is one per core where it has `threads` 0.
int threads_of(const Series& series, const Report& report);

// The measured arithmetic rate that limits a series. Null if there is none, because it was not added, the type of the
// precision is not known, or the precision does not compute on this machine's CPU.
Compute* compute_of(Report& report, const Series& series);
const Compute* compute_of(const Report& report, const Series& series);

std::string to_table(const Report& report);
std::string to_json(const Report& report);

}  // namespace gpt2run
