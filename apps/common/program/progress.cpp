// When a progress line is shown, and what it says.
#include "common/program/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include "host/log.hpp"

namespace gpt2run {
namespace {

constexpr int kBar = 24;  // characters
constexpr auto kPause = std::chrono::milliseconds(200);

}  // namespace

Progress::Progress(std::string what, bool quiet, bool streams)
    : what_(std::move(what)), shown_(!quiet && isatty(STDERR_FILENO) && !(streams && isatty(STDOUT_FILENO))) {}

Progress::~Progress() {
  if (shown_) log_status("");
}

void Progress::update(int64_t done, int64_t total) {
  if (!shown_ || Clock::now() < next_) return;
  next_ = Clock::now() + kPause;
  log_status(progress_line(done, total, std::chrono::duration<double>(Clock::now() - start_).count(), what_));
}

std::string progress_line(int64_t done, int64_t total, double seconds, const std::string& what) {
  const auto filled = static_cast<size_t>(total > 0 ? done * kBar / total : 0);
  std::string line(1, '[');
  line.append(filled, '#').append(kBar - filled, ' ');
  line += "] " + std::to_string(done) + " of " + std::to_string(total) + " " + what;
  if (done == 0) return line;
  const auto left = static_cast<long long>(seconds / static_cast<double>(done) * static_cast<double>(total - done));
  char time[64];
  if (left < 3600)
    std::snprintf(time, sizeof time, ", %lld:%02lld left", left / 60, left % 60);
  else
    std::snprintf(time, sizeof time, ", %lld:%02lld:%02lld left", left / 3600, left / 60 % 60, left % 60);
  return line + time;
}

}  // namespace gpt2run
