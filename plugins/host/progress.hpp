// How far a long run is: one line on a terminal that the next one replaces, with the time that is left by the pace of
// the finished sequences. One thread at a time.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "host/compose.hpp"

namespace gpt2run {

class Progress {
 public:
  // Shows nothing unless standard error is a terminal, and nothing where a sink of `choice` writes to the same one.
  Progress(const Choice& choice, bool quiet);
  // Of a program whose results stay away from the terminal meanwhile. what: is counted, "tokens".
  Progress(std::string what, bool quiet);
  ~Progress();  // the line is gone
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(int64_t done, int64_t total);  // cheap, a few times a second something is written

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_ = "sequences";
  bool shown_;
  Clock::time_point start_ = Clock::now(), next_ = start_;
};

// "[#####     ] 12 of 24 sequences, 0:07 left"; the time only once something is done. seconds: since the start.
std::string progress_line(int64_t done, int64_t total, double seconds, const std::string& what = "sequences");

}  // namespace gpt2run
