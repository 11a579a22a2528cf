// One line for a process that dies of somebody else's code or waits for it: which file it is.
#pragma once
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

namespace gpt2run {

// As long as it lives, a fault or an abort writes "NAME: error: FILE: crashed when it was DONE" to standard error
// before the process ends by that signal; after a few seconds, "NAME: warning: FILE: is still being DONE": then nothing
// is ended, since a slow disk or driver may be the reason. An exit() within a NoExit names the file. One object at a
// time.
class CrashReport {
 public:
  // done: "opened".
  CrashReport(const std::filesystem::path& file, const std::string& done);
  ~CrashReport();
  CrashReport(const CrashReport&) = delete;
  CrashReport& operator=(const CrashReport&) = delete;

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};

  struct sigaction before_[std::size(kSignals)];
  unsigned alarm_before_;  // seconds, 0: none
};

// The crash hook of a program's PluginHost: a CrashReport for as long as the result lives, or null within another one,
// whose words stand.
std::shared_ptr<void> report_crashes(const std::filesystem::path& file, const std::string& done);

// As long as it lives, an exit() by whatever code is an error: one line, "NAME: error: a plugin ended the program", and
// exit code 1, whatever exit() was given. Child processes may exit. One object at a time, of the main thread.
class NoExit {
 public:
  NoExit();
  ~NoExit();
  NoExit(const NoExit&) = delete;
  NoExit& operator=(const NoExit&) = delete;
};

}  // namespace gpt2run
