// One line for a process that dies of somebody else's code: which file it was.
#pragma once
#include <csignal>
#include <string>

namespace gpt2run {

// As long as it lives, a fault or an abort writes "NAME: error: MESSAGE" to standard error before the process ends by
// that signal. One object at a time.
class LastWords {
 public:
  explicit LastWords(const std::string& message);
  ~LastWords();
  LastWords(const LastWords&) = delete;
  LastWords& operator=(const LastWords&) = delete;

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

  struct sigaction before_[std::size(kSignals)];
};

}  // namespace gpt2run
