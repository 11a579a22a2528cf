// One round of measurements.
#include "gpt2bench/measure.hpp"

#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <fstream>

#include "common/config/create.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/memory_check.hpp"
#include "gpt2bench/driver.hpp"
#include "gpt2bench/timed_parallel.hpp"
#include "gpt2run/evaluation/statistics.hpp"

namespace gpt2run {
namespace {

// The resident size of the process in bytes; 0 where there is no /proc. Memory that an earlier session has freed is
// returned to the system first.
double resident_bytes() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void add_pass(Series& series, Driver& driver, const Workload& work, bool warm_up) {
  const auto add = [&](Measure measure, double tokens, double seconds) {
    if (!warm_up) series.samples[static_cast<size_t>(measure)].values.push_back(tokens / seconds);
  };
  const int count = warm_up ? 1 : work.new_tokens;
  const Driver::Seconds lengthy = driver.run(1, work.prompt, count);
  add(Measure::prefill, work.prompt, lengthy.first);
  add(Measure::decode_long, count, lengthy.rest);
  add(Measure::decode, count, driver.run(1, kShort, count).rest);
  add(Measure::decode_batch, double(count) * work.batch, driver.run(work.batch, kShort, count).rest);
}

}  // namespace

double Samples::median() const { return quantile_of(sorted(values), 0.5); }
double Samples::least() const { return quantile_of(sorted(values), 0); }
double Samples::greatest() const { return quantile_of(sorted(values), 1); }

Limits limits_of(const Workload& work, const ModelConfig& config, int threads) {
  const int64_t longest = std::max<int64_t>(work.prompt, kShort) + work.new_tokens;
  if (longest > config.T)
    usage_error("--prompt_tokens and --new_tokens: expected at most ", config.T,
                " together, the model's context, found ", longest);
  // All short prompts fit into one step, so that every sequence of a batch has its first token at the same time.
  const int32_t chunk = std::max({work.prompt, work.batch * kShort, kShort});
  return driver_limits(work.batch, static_cast<int32_t>(longest), chunk, threads, work.device);
}

void add_round(Series& series, const Checkpoint& checkpoint, std::span<const BoundPlugin> samplers,
               const Workload& work) {
  const double before = resident_bytes();
  const auto begin = std::chrono::steady_clock::now();
  const auto precision = create<Precision>(series.precision);
  const Limits limits = limits_of(work, checkpoint.config(), series.threads);
  check_memory(series.precision, checkpoint, limits);
  Driver driver(*precision, samplers, checkpoint, limits);
  series.step_bytes = driver.traits().step_bytes;
  driver.run(1, kShort, 0);
  const auto add = [&](Measure measure, double value) {
    series.samples[static_cast<size_t>(measure)].values.push_back(value);
  };
  add(Measure::cold_start, 1e3 * seconds_since(begin));
  for (int pass = 0; pass <= work.passes; ++pass) add_pass(series, driver, work, pass == 0);
  add(Measure::memory, std::max(0.0, resident_bytes() - before) / 1e6);
}

}  // namespace gpt2run
