// Writes the lines of the Test Anything Protocol.
#include "conformance/report.hpp"

#include <algorithm>
#include <ostream>

#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::conformance {
namespace {

// Makes one printable line of a text: line ends become blanks, and a very long text is shortened.
std::string in_one_line(std::string text) {
  constexpr size_t kMost = 2000;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return printable(text, kMost);
}

}  // namespace

bool Report::check(const std::string& what, const std::function<void()>& function) {
  ++count_;
  std::string verdict = "ok ", note;
  try {
    function();
  } catch (const Skipped& skipped) {
    note = std::string(" # SKIP ") + skipped.what();
  } catch (const std::exception& error) {
    verdict = "not ok ";
    note = std::string(": ") + error.what();
  } catch (...) {
    verdict = "not ok ";
    note = ": threw something that is no std::exception";
  }
  const bool failed = verdict != "ok ";
  failed_ += failed;
  out_ << verdict << count_ << " - " << what << in_one_line(note) << std::endl;
  return !failed;
}

void Report::did_not_run(const std::string& file, const std::string& why) { not_run_ = file + ": " + why; }

int Report::finish() const {
  out_ << "1.." << count_ << std::endl;
  if (failed_) out_ << "# " << failed_ << " of " << count_ << " failed" << std::endl;
  if (!failed_ && !not_run_.empty()) out_ << "# skipped: " << in_one_line(not_run_) << std::endl;
  if (!out_) fail("standard output cannot be written: the report is not whole");
  return failed_ ? 1 : 0;
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
