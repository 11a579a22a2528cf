// The work, done by the same calls as the generation loop makes: step, sample, repeat.
#include "gpt2bench/measure.hpp"

#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <algorithm>
#include <chrono>
#include <fstream>

#include "gpt2run/statistics.hpp"

namespace gpt2run {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Bytes of the process in memory, 0 where there is no /proc. What an earlier session has freed is given back first.
double resident_bytes() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  std::ifstream file("/proc/self/statm");
  double all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

// A session with its sampler, driven without a tokenizer: the prompts are fixed tokens that differ from row to row.
class Driver {
 public:
  Driver(Precision& precision, Sampler& sampler, const Checkpoint& checkpoint, const Workload& work, int threads)
      : sampler_(sampler),
        vocab_(checkpoint.config().V),
        session_(precision.open(checkpoint, limits_of(work, checkpoint.config(), threads))) {
    sampler_.prepare(session_->layout());
  }

  // Seconds until the token after a prompt of `count` is known.
  double prefill(int slot, int32_t count) {
    constexpr int64_t kStride = 7919;
    rows_.clear();
    for (int64_t i = 0; i < count; ++i)
      rows_.push_back({slot, static_cast<int32_t>((i + slot) * kStride % vocab_), i + 1 == count});
    const auto begin = Clock::now();
    session_->start(slot, static_cast<uint64_t>(slot), slot, 0);
    last_ = session_->step(rows_);
    sampler_.sample(last_);
    wait();
    return seconds_since(begin);
  }

  // Seconds for `count` further tokens in the first `slots` slots.
  double decode(int slots, int count) {
    rows_.clear();
    for (int slot = 0; slot < slots; ++slot) rows_.push_back({slot, kSampled, true});
    const auto body = [](void* self) {
      auto& driver = *static_cast<Driver*>(self);
      driver.last_ = driver.session_->step(driver.rows_);
      driver.sampler_.sample(driver.last_);
    };
    const auto begin = Clock::now();
    for (int left = count; left > 0; left -= kRepeat) {
      session_->repeat(std::min(left, kRepeat), static_cast<uint64_t>(slots), body, this);
      wait();
    }
    return seconds_since(begin);
  }

 private:
  static constexpr int kRepeat = 16;  // tokens between two looks, as in the generation loop

  void wait() {
    int32_t token;
    session_->read(last_.tokens, &token, sizeof token);
  }

  Sampler& sampler_;
  int64_t vocab_;
  std::unique_ptr<Session> session_;
  std::vector<Row> rows_;
  LogitBatch last_{};
};

void add_pass(Series& series, Driver& driver, const Workload& work, bool warm_up) {
  const auto add = [&](Measure measure, double tokens, double seconds) {
    if (!warm_up) series.samples[static_cast<size_t>(measure)].values.push_back(tokens / seconds);
  };
  const int count = warm_up ? 1 : work.new_tokens;
  add(Measure::prefill, work.prompt, driver.prefill(0, work.prompt));
  add(Measure::decode_long, count, driver.decode(1, count));
  for (int slot = work.batch - 1; slot >= 0; --slot) driver.prefill(slot, kShort);
  add(Measure::decode, count, driver.decode(1, count));
  driver.prefill(0, kShort);
  add(Measure::decode_batch, double(count) * work.batch, driver.decode(work.batch, count));
}

}  // namespace

double Samples::median() const { return quantile_of(sorted(values), 0.5); }
double Samples::least() const { return quantile_of(sorted(values), 0); }
double Samples::greatest() const { return quantile_of(sorted(values), 1); }

Limits limits_of(const Workload& work, const ModelConfig& config, int threads) {
  const int64_t longest = std::max<int64_t>(work.prompt, kShort) + work.new_tokens;
  if (longest > config.T)
    misused("--prompt_tokens and --new_tokens: expected at most ", config.T, " together, the model's context, found ",
            longest);
  const int32_t rows = std::max({work.prompt, work.batch, kShort});
  return {work.batch, static_cast<int32_t>(longest), rows, work.batch, threads, 0, false, 0};
}

void add_round(Series& series, const Checkpoint& checkpoint, const Chosen& sampler, const Workload& work) {
  const double before = resident_bytes();
  const auto begin = Clock::now();
  const auto precision = create<Precision>(series.precision);
  const auto selector = create<Sampler>(sampler);
  Driver driver(*precision, *selector, checkpoint, work, series.threads);
  driver.prefill(0, kShort);
  const auto add = [&](Measure measure, double value) {
    series.samples[static_cast<size_t>(measure)].values.push_back(value);
  };
  add(Measure::cold_start, 1e3 * seconds_since(begin));
  for (int pass = 0; pass <= work.passes; ++pass) add_pass(series, driver, work, pass == 0);
  add(Measure::memory, std::max(0.0, resident_bytes() - before) / 1e6);
}

}  // namespace gpt2run
