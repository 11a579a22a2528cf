// What was measured, as a table for people and as JSON for programs.
#pragma once
#include <string>
#include <vector>

#include "gpt2bench/compute.hpp"
#include "gpt2bench/decode_bench.hpp"

namespace gpt2run {

// Read bandwidth at one number of threads, bytes per second.
struct Bandwidth {
  int threads;
  Samples samples;
};

// Multiply-adds at one number of threads, operations per second.
struct Compute {
  int threads;
  Arithmetic arithmetic;
  Samples samples;
};

struct Report {
  std::string machine;             // of the processor, "" when the system does not tell
  int processors;                  // that this process may use
  double load_before, load_after;  // runnable threads of the whole machine, averaged over a minute
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

// Fills in the machine's name, processors and load_before.
void describe_machine(Report& report);

// Runnable threads of the whole machine over the last minute, NaN when the system does not tell.
double machine_load();

// Threads that a series really has: `threads`, or one per core for 0.
int threads_of(const Series& series, const Report& report);

// What limits a series' products; null: none was added, or its type is not known, or it does not run on this machine.
Compute* compute_of(Report& report, const Series& series);
const Compute* compute_of(const Report& report, const Series& series);

std::string to_table(const Report& report);
std::string to_json(const Report& report);

}  // namespace gpt2run
