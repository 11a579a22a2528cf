// The progress line of a long run. It is rewritten in place on a terminal, and estimates the remaining time from the
// pace so far. Used by one thread at a time.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace gpt2run {

class Progress {
 public:
  // what: the noun for what is counted, such as "tokens". Nothing is shown unless standard error is a terminal.
  // streams: whether results are written to standard output meanwhile; then nothing is shown where that is a terminal
  // too.
  Progress(std::string what, bool quiet, bool streams = false);
  ~Progress();  // removes the line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called for every token: the line is rewritten at most five times a second.
  void update(int64_t done, int64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  bool shown_;
  Clock::time_point start_ = Clock::now(), next_ = start_;
};

// Such as "[#####     ] 12 of 24 sequences, 0:07 left". seconds: the time since the start. The remaining time is shown
// once something is done.
std::string progress_line(int64_t done, int64_t total, double seconds, const std::string& what = "sequences");

}  // namespace gpt2run
