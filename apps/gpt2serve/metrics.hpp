// Metrics: what the server counts, written in Prometheus' text form.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

namespace gpt2run {

// A histogram of times in seconds. Any thread.
class TimeHistogram {
 public:
  void add(double seconds);
  // Appends the lines of the histogram. labels: such as `model="bf16"`.
  void write(std::string& text, const std::string& name, const std::string& labels) const;

 private:
  static constexpr std::array<double, 14> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.25,  0.5,    1,     2.5,  5,     10,   30};
  mutable std::mutex mutex_;
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  uint64_t count_ = 0;
  double sum_ = 0;
};

// The numbers of one model. Any thread; the engine's thread stores, others read.
struct ModelMetrics {
  std::string model;
  int64_t slots = 0;
  std::atomic<int64_t> prompt_tokens = 0, cached_tokens = 0, new_tokens = 0, steps = 0, rows = 0;  // totals
  std::atomic<int64_t> waiting = 0, running = 0;
  std::atomic<bool> failed = false;
  std::array<std::atomic<int64_t>, 6> finished{};  // by Reason
  TimeHistogram first_token, token;
};

class Metrics {
 public:
  // The reference stays valid. Not while others use this object.
  ModelMetrics& add(const std::string& model, int64_t slots);

  // Any thread.
  void count_request(const std::string& route, int status);
  std::string text(int64_t connections) const;

 private:
  std::deque<ModelMetrics> models_;
  mutable std::mutex mutex_;  // of requests_
  std::map<std::pair<std::string, int>, uint64_t> requests_;
};

}  // namespace gpt2run
