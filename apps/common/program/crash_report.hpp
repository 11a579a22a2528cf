// Crash reports for plugin code: names the file whose code crashed, hung or ended the process.
#pragma once
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>

namespace gpt2run {

// A scope that blames a file for what happens in it. A fault or an abort writes "NAME: error: FILE: crashed when it was
// DONE" to standard error, and the signal then ends the process. After a few seconds it writes "NAME: warning: FILE: is
// still being DONE" and lets the code go on, because a slow disk or driver may be the reason. An exit() or _exit()
// inside a NoSilentEnd names the file too. There can be one object at a time, because it installs signal handlers and
// uses the process's alarm. At its end it notes where the code of the file lies, if the file is open then.
class CrashReport {
 public:
  // done: what is being done to the file, as a participle, such as "opened".
  CrashReport(const std::filesystem::path& file, const std::string& done);
  ~CrashReport();
  CrashReport(const CrashReport&) = delete;
  CrashReport& operator=(const CrashReport&) = delete;

 private:
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};

  const std::filesystem::path file_;
  struct sigaction before_[std::size(kSignals)];
  unsigned alarm_before_;  // seconds that were left of the alarm; 0 for none
};

// The crash hook for a program's PluginHost. Returns a CrashReport that is active until the result is destroyed, or
// null where another one is already active; that one goes on to report.
std::shared_ptr<void> report_crashes(const std::filesystem::path& file, const std::string& done);

// A scope for the work of a program, in which nothing ends the process without a line on standard error. Child
// processes may end as they like, and of a signal that ends them nothing is written here: their parent learns of it, as
// host/child.hpp does. There can be one object at a time, created by the main thread. The line names the
// plugin whose code was running, as far as that can be told (common/program/plugin_code.hpp).
// - exit(), whoever calls it, is an error: "NAME: error: FILE: ended the program before its work was done", and exit
//   code 1 whatever code it was given. So is _exit() in a plugin's code.
// - A fault or an abort writes "NAME: error: FILE: crashed while its code was running (SIGSEGV)", and ends the process
//   by the signal, after the handler that was there before. So does one that comes after the scope, when a plugin's
//   static objects are destroyed; its line says that the work was done.
// - An exception that nothing catches, such as one in a thread of a plugin, writes its text and ends by SIGABRT.
class NoSilentEnd {
 public:
  NoSilentEnd();
  ~NoSilentEnd();
  NoSilentEnd(const NoSilentEnd&) = delete;
  NoSilentEnd& operator=(const NoSilentEnd&) = delete;
};

// Ends the process at once and without a line.
[[noreturn]] void end_process(int code);

// What _exit() does in a program (common/program/program.cpp).
[[noreturn]] void end_by_exit(int code);

}  // namespace gpt2run
