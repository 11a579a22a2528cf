// Crash reports for plugin code: names the file whose code crashed, hung or ended the process.
#pragma once
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

namespace gpt2run {

// A scope that blames a file for what happens in it. A fault or an abort writes "NAME: error: FILE: crashed when it was
// DONE" to standard error, and the signal then ends the process. After a few seconds it writes "NAME: warning: FILE: is
// still being DONE" and lets the code go on, because a slow disk or driver may be the reason. An exit() inside a NoExit
// names the file too. There can be one object at a time, because it installs signal handlers and uses the process's
// alarm.
class CrashReport {
 public:
  // done: what is being done to the file, as a participle, such as "opened".
  CrashReport(const std::filesystem::path& file, const std::string& done);
  ~CrashReport();
  CrashReport(const CrashReport&) = delete;
  CrashReport& operator=(const CrashReport&) = delete;

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};

  struct sigaction before_[std::size(kSignals)];
  unsigned alarm_before_;  // seconds that were left of the alarm; 0 for none
};

// The crash hook for a program's PluginHost. Returns a CrashReport that is active until the result is destroyed, or
// null where another one is already active; that one goes on to report.
std::shared_ptr<void> report_crashes(const std::filesystem::path& file, const std::string& done);

// A scope in which exit() is an error, whoever calls it. The process writes one line, "NAME: error: a plugin ended the
// program before its work was done", and ends with exit code 1 whatever code exit() was given. Child processes may
// exit. There can be one object at a time, created by the main thread.
class NoExit {
 public:
  NoExit();
  ~NoExit();
  NoExit(const NoExit&) = delete;
  NoExit& operator=(const NoExit&) = delete;
};

}  // namespace gpt2run
