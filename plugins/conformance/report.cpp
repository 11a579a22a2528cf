// Between a child and its parent go lines of one letter and a text: what is checked, and how it ended.
#include "conformance/report.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::conformance {
namespace {

using Result = Verdict::Result;

// The letters. kEnd: there is no further check.
constexpr char kBegin = 'b', kOk = 'o', kFailed = 'f', kSkipped = 's', kNotRun = 'n', kEnd = 'e';

// More than any plugin has; a sequence that does not end is a fault of the plugin.
constexpr size_t kMostChecks = 1000;

// Thrown where the one check of this process is done. No std::exception, so that no check takes it for one.
struct CheckDone {};

// Makes one printable line of a text: line ends become blanks, and a very long text is shortened.
std::string in_one_line(std::string text) {
  constexpr size_t kMost = 2000;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return printable(text, kMost);
}

std::string line_of(char letter, const std::string& text = "") { return letter + in_one_line(text) + '\n'; }

// A plugin that closes these takes the results of the run with them.
void require_standard_files() {
  const std::pair<int, const char*> files[] = {{STDOUT_FILENO, "standard output"}, {STDERR_FILENO, "standard error"}};
  for (const auto& [file, name] : files)
    require(fcntl(file, F_GETFD) != -1 || errno != EBADF, "it closed ", name, ", which is not its own");
}

// What a child told.
struct Told {
  std::vector<Verdict> verdicts;
  std::string begun;  // the check that began and has no verdict, or empty
  std::string not_run;
  bool is_stuck = false, ended = false;  // is_stuck: it failed before a check, as every further child would
};

constexpr char kBefore[] = "what comes before the next check";

Told read(const std::string& text) {
  Told told;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string rest = text.substr(at + 1, end - at - 1);
    const char letter = text[at];
    if (letter == kBegin) told.begun = rest;
    if (letter == kNotRun) told.not_run = rest;
    if (letter == kEnd) told.ended = true;
    if (letter == kOk || letter == kFailed || letter == kSkipped) {
      const Result result = letter == kOk ? Result::ok : letter == kFailed ? Result::failed : Result::skipped;
      told.is_stuck = told.begun.empty();
      told.verdicts.push_back({result, told.is_stuck ? kBefore : told.begun, rest});
      told.begun.clear();
    }
    at = end + 1;
  }
  return told;
}

// Adds how the child failed to the check that it was in, or was in last.
void add_failure(Told& told, const std::string& failure) {
  if (!told.begun.empty() || told.ended || told.verdicts.empty()) {
    const std::string what = !told.begun.empty() ? told.begun : told.ended ? "the end of the last process" : kBefore;
    told.is_stuck = what == kBefore;
    told.verdicts.push_back({Result::failed, what, failure});
  } else if (Verdict& last = told.verdicts.back(); last.result != Result::failed) {
    last = {Result::failed, last.what, "it passed, and then " + failure};
  }
}

Told ask(const std::function<void(Report&)>& checks, Processes processes, std::chrono::milliseconds limit,
         std::span<const Verdict> before) {
  const ChildResult child = run_whole_child(
      [&](const Tell& tell) {
        Report report(before, processes, tell);
        try {
          checks(report);
          tell(line_of(kEnd));
        } catch (const CheckDone&) {
        } catch (const std::exception& error) {
          tell(line_of(kFailed, error.what()));
        } catch (...) {
          tell(line_of(kFailed, "threw something that is no std::exception"));
        }
      },
      limit);
  Told told = read(child.text);
  const bool is_mute = told.verdicts.empty() && !told.ended;  // what is there then was not written by the kit
  const std::string failure = is_mute && child.failure.empty() ? "ended its process" : child.failure;
  if (!failure.empty()) add_failure(told, failure);
  return told;
}

}  // namespace

bool Report::check(const std::string& what, const std::function<void()>& function) {
  if (next_ < before_.size()) return before_[next_++].result != Result::failed;
  tell_(line_of(kBegin, what));
  std::string line = line_of(kOk);
  try {
    function();
    require_standard_files();
  } catch (const Skipped& skipped) {
    line = line_of(kSkipped, skipped.what());
  } catch (const std::exception& error) {
    line = line_of(kFailed, error.what());
  } catch (...) {
    line = line_of(kFailed, "threw something that is no std::exception");
  }
  tell_(line);
  const bool failed = line.front() == kFailed;
  if (failed || processes_ == Processes::one_for_each) throw CheckDone();
  return true;
}

void Report::did_not_run(const std::string& file, const std::string& why) {
  tell_(line_of(kNotRun, file + ": " + why));
}

size_t Examination::failed() const {
  return static_cast<size_t>(
      std::ranges::count_if(verdicts, [](const Verdict& one) { return one.result == Result::failed; }));
}

Examination examine(const std::function<void(Report&)>& checks, Processes processes, std::chrono::milliseconds limit,
                    const std::function<void(const Verdict&)>& heard) {
  Examination all;
  while (all.verdicts.size() < kMostChecks) {
    const Told told = ask(checks, processes, limit, all.verdicts);
    all.not_run = told.not_run;
    for (const Verdict& verdict : told.verdicts) heard(all.verdicts.emplace_back(verdict));
    if (told.ended || told.is_stuck) break;
  }
  return all;
}

void require_error(const std::string& what, const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    require(*error.what(), what, ": threw an Error without a text");
    return;
  } catch (const std::exception& error) {
    fail(what, ": expected gpt2run::Error, it threw another exception: ", error.what());
  }
  fail(what, ": expected gpt2run::Error, nothing was thrown");
}

}  // namespace gpt2run::conformance
