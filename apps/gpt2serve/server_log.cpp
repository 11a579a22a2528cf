#include "gpt2serve/server_log.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "host/log.hpp"
#include "host/log_writer.hpp"

namespace gpt2run {
namespace {

constexpr size_t kMostWaiting = size_t{64} << 10;  // bytes
constexpr std::chrono::seconds kLast{1};

// Waits as long as the reader makes it wait. A line that cannot be written is lost.
void write_line(std::string_view line) {
  while (!line.empty()) {
    const ssize_t count = write(STDERR_FILENO, line.data(), line.size());
    if (count > 0) line.remove_prefix(static_cast<size_t>(count));
    if (count > 0 || errno == EINTR) continue;
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return;
    pollfd writable{STDERR_FILENO, POLLOUT, 0};
    poll(&writable, 1, -1);
  }
}

std::string line_of_dropped(uint64_t count) {
  return program_name() + ": warning: " + std::to_string(count) + (count == 1 ? " line" : " lines") +
         " of the log dropped, since nobody read standard error in time\n";
}

}  // namespace

struct ServerLog::Lines {
  void add(std::string line) {
    {
      const std::lock_guard lock(mutex);
      if (bytes + line.size() > kMostWaiting) {
        ++dropped;
        return;
      }
      bytes += line.size();
      waiting.push_back(std::move(line));
    }
    changed.notify_all();
  }

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return is_ending || !waiting.empty(); });
      std::string line;
      if (dropped > 0 && bytes <= kMostWaiting / 2) {
        line = line_of_dropped(std::exchange(dropped, 0));
      } else if (!waiting.empty()) {
        line = std::move(waiting.front());
        waiting.pop_front();
        bytes -= line.size();
      } else {
        break;
      }
      lock.unlock();
      write_line(line);
      lock.lock();
    }
    is_over = true;
    changed.notify_all();
  }

  std::mutex mutex;  // of all that follows
  std::condition_variable changed;
  std::deque<std::string> waiting;
  size_t bytes = 0;  // of these
  uint64_t dropped = 0;
  bool is_ending = false, is_over = false;
};

ServerLog::ServerLog() : lines_(std::make_shared<Lines>()) {
  std::thread([lines = lines_] { lines->run(); }).detach();
  set_log_writer([lines = lines_](std::string line) { lines->add(std::move(line)); });
}

ServerLog::~ServerLog() {
  set_log_writer({});
  std::unique_lock lock(lines_->mutex);
  lines_->is_ending = true;
  lines_->changed.notify_all();
  lines_->changed.wait_for(lock, kLast, [this] { return lines_->is_over; });
}

}  // namespace gpt2run
