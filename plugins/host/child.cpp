// A child by fork(), a pipe for its result, and a deadline.
#include "host/child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "gpt2run/error.hpp"

namespace gpt2run {
namespace {

using Clock = std::chrono::steady_clock;
// Ends a complete text, so that a child that dies while it writes is recognised.
constexpr char kDone = '\0';
// The exit code of a child that cannot write to its pipe.
constexpr int kCannotTell = 113;

int milliseconds_to(Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 3'600'000));
}

enum class Mode { silent, whole };

// Standard input, and for a silent child also its output, lead to /dev/null.
void set_standard_files(Mode mode) {
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int stream = 0; nowhere >= 0 && stream < 3; ++stream)
    if (stream == 0 || mode == Mode::silent) dup2(nowhere, stream);
  if (mode == Mode::whole) dup2(STDERR_FILENO, STDOUT_FILENO);
}

void be_first_without_memory() {
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  [[maybe_unused]] const auto ignored = write(file, "1000", 4);
  close(file);
}

void tell(int result, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(result, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) _exit(kCannotTell);
    text.remove_prefix(static_cast<size_t>(n));
  }
}

[[noreturn]] void be_child(const std::function<void(const Tell&)>& function, Mode mode, int result, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  setpgid(0, 0);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  set_standard_files(mode);
  if (mode == Mode::whole) be_first_without_memory();
  try {
    function([result](std::string_view text) { tell(result, text); });
  } catch (...) {
    _exit(1);  // an exception must not reach the parent's code in this copy of the process
  }
  tell(result, {&kDone, 1});
  if (mode == Mode::whole) std::exit(0);
  _exit(0);  // destructors and exit handlers are for the parent to run
}

std::string read_until(int result, Clock::time_point deadline) {
  std::string text;
  char buffer[4096];
  while (text.empty() || text.back() != kDone) {
    pollfd ready{result, POLLIN, 0};
    const int count = poll(&ready, 1, milliseconds_to(deadline));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    const ssize_t n = read(result, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

// Waits for the child and returns its wait status, or -1 if it had to be killed.
int wait_until(pid_t child, Clock::time_point deadline) {
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (Clock::now() >= deadline) {
      kill(-child, SIGKILL);
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kill(-child, SIGKILL);  // processes that it started
  return status;
}

std::string failure_of(int status, std::chrono::milliseconds limit) {
  if (status == -1) return "hung, and was stopped after " + std::to_string(limit.count()) + " ms";
  if (WIFSIGNALED(status)) return std::string("crashed (") + strsignal(WTERMSIG(status)) + ")";
  if (WEXITSTATUS(status) == kCannotTell) return "closed files that are not its own";
  return "ended the process with status " + std::to_string(WEXITSTATUS(status));
}

ChildResult run(const std::function<void(const Tell&)>& function, Mode mode, std::chrono::milliseconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("cannot make a pipe to a child process: ", std::strerror(errno));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]), close(ends[1]);
    fail("cannot start a child process: ", std::strerror(error));
  }
  if (child == 0) be_child(function, mode, ends[1], parent);
  close(ends[1]);
  std::string text = read_until(ends[0], deadline);
  close(ends[0]);
  const int status = wait_until(child, deadline);
  const bool done = !text.empty() && text.back() == kDone;
  if (done) text.pop_back();
  if (done && (mode == Mode::silent || status == 0)) return {std::move(text), ""};
  return {std::move(text), failure_of(status, limit)};
}

}  // namespace

ChildResult run_in_child(const std::function<std::string()>& function, std::chrono::milliseconds limit) {
  return run([&](const Tell& tell) { tell(function()); }, Mode::silent, limit);
}

ChildResult run_whole_child(const std::function<void(const Tell&)>& function, std::chrono::milliseconds limit) {
  return run(function, Mode::whole, limit);
}

}  // namespace gpt2run
