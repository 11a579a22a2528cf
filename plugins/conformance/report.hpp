// The checks of a plugin as a sequence that runs in child processes: a check may crash, hang or end its process without
// harm to the others. examine() forks those processes, and a Report stands in each of them for the sequence.
#pragma once
#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gpt2run/error.hpp"
#include "host/child.hpp"

namespace gpt2run::conformance {

// Thrown by a check that does not apply here; its text says why.
struct Skipped : std::runtime_error {
  using runtime_error::runtime_error;
};

// How a check ended.
struct Verdict {
  enum class Result { ok, failed, skipped };
  Result result;
  std::string what, why;  // each a printable line; why: empty if ok
};

// Which checks share a process. A process whose check failed runs no further one.
enum class Processes {
  one_for_each,  // the checks do not share any
  few,           // as many as pass: for a device, whose context takes longer than all checks
};

// What the checks ask as they go through their sequence.
class Report {
 public:
  // before: how the first checks of the sequence ended in other processes. It outlives the report.
  Report(std::span<const Verdict> before, Processes processes, Tell tell)
      : before_(before), processes_(processes), tell_(std::move(tell)) {}

  // For one of the first checks, returns whether it was ok or skipped. The next one is run here: any exception makes it
  // failed, except Skipped. Its verdict is told. Where no further check runs here, an exception then ends the walk
  // through the sequence, which only examine() may catch.
  bool check(const std::string& what, const std::function<void()>& function);

  // Notes that the contract of the plugin's kind was not checked, because the plugin cannot run here.
  void did_not_run(const std::string& file, const std::string& why);

 private:
  std::span<const Verdict> before_;
  Processes processes_;
  Tell tell_;
  size_t next_ = 0;
};

// A sequence of checks that has come to its end.
struct Examination {
  std::vector<Verdict> verdicts;
  std::string not_run;  // "FILE: why" of did_not_run(), or empty

  size_t failed() const;
};

// Goes through a sequence of checks in child processes, each of which is killed after `limit`. checks: the sequence,
// which each child walks from the beginning; what it does outside of Report::check() must lead to the same checks every
// time. heard: is told of every verdict as it comes. The sequence ends early where a child fails before its check
// begins. Throws Error when no child can be started. The program must have a single thread.
Examination examine(const std::function<void(Report&)>& checks, Processes processes, std::chrono::milliseconds limit,
                    const std::function<void(const Verdict&)>& heard);

// Throws Error with these parts unless the condition holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) fail(parts...);
}

// Throws Error unless the function throws gpt2run::Error. Any other exception counts as a violation too.
void require_error(const std::string& what, const std::function<void()>& function);

}  // namespace gpt2run::conformance
