// How far a long run is: one line on a terminal that the next one replaces, with the time that is left by the pace of
// the finished sequences. One thread at a time.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace gpt2run {

class Progress {
 public:
  // Shows nothing unless standard error is a terminal. what: is counted, "tokens". streams: results go to standard
  // output meanwhile, so that nothing is shown where that is a terminal too.
  Progress(std::string what, bool quiet, bool streams = false);
  ~Progress();  // the line is gone
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, int64_t total);  // cheap, a few times a second something is written

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  bool shown_;
  Clock::time_point start_ = Clock::now(), next_ = start_;
};

// "[#####     ] 12 of 24 sequences, 0:07 left"; the time only once something is done. seconds: since the start.
std::string progress_line(int64_t done, int64_t total, double seconds, const std::string& what = "sequences");

}  // namespace gpt2run
