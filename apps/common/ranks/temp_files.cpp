// The child reads the names of folders from a pipe, each ended by a zero byte, until the pipe is closed. If the last
// name is empty, the parent has ended normally and nothing is removed.
#include "common/ranks/temp_files.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/program/interrupt.hpp"
#include "common/program/temporaries.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

void wait_and_remove(int pipe, const std::string& ending) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(pipe, buffer, sizeof buffer)) != 0;) {
    if (count < 0 && errno != EINTR) break;
    if (count > 0) text.append(buffer, static_cast<size_t>(count));
  }
  if (text.ends_with(std::string(2, '\0'))) return;
  for (size_t from = 0, to; (to = text.find('\0', from)) != text.npos; from = to + 1)
    remove_temporaries_in(&text[from], ending.c_str());
}

// The child leaves the session and closes all files. A launcher that waits until all outputs are closed must not wait
// for it, and one that kills the group of processes must not kill it.
[[noreturn]] void be_the_child(int pipe, const std::string& ending) {
  setsid();
  for (const int number : kEndingSignals) signal(number, SIG_IGN);
  const int null = open("/dev/null", O_RDWR);
  dup2(pipe, STDIN_FILENO);
  for (const int file : {STDOUT_FILENO, STDERR_FILENO}) dup2(null, file);
  close_range(STDERR_FILENO + 1, ~0u, 0);
  wait_and_remove(STDIN_FILENO, ending);
  _exit(0);
}

}  // namespace

TempFiles::TempFiles() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) fail("a pipe: ", std::strerror(errno));
  std::string ending = ".";
  ending.append(detail::process_id_text()).append(".tmp");
  pipe_ = ends[1];
  child_ = fork();
  if (child_ == 0) be_the_child(ends[0], ending);
  const int reason = errno;
  close(ends[0]);
  if (child_ > 0) return;
  close(pipe_);
  fail("a process that removes what this one leaves: ", std::strerror(reason));
}

TempFiles::~TempFiles() {
  [[maybe_unused]] const auto written = write(pipe_, "", 1);
  close(pipe_);
  waitpid(child_, nullptr, 0);
}

void TempFiles::watch(const fs::path& folder) {
  std::string path = fs::absolute(folder).string();
  write_all(pipe_, path.append(1, '\0'), "a pipe");
}

}  // namespace gpt2run
