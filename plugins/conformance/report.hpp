// The report of the conformance kit in the Test Anything Protocol, with lines such as "ok 1 - what", "not ok 2 - what:
// why" and "ok 3 - what # SKIP why".
#pragma once
#include <functional>
#include <ostream>
#include <string>

#include "gpt2run/error.hpp"

namespace gpt2run::conformance {

// Thrown by a check that does not apply here; its text says why.
struct Skipped : std::runtime_error {
  using runtime_error::runtime_error;
};

// Counts the checks and writes their lines.
class Report {
 public:
  explicit Report(std::ostream& out) : out_(out) {}  // out outlives it

  // Runs a check and prints its line. Any exception makes it "not ok", except Skipped. Returns whether it is ok or
  // skipped.
  bool check(const std::string& what, const std::function<void()>& function);

  // Notes that the contract of the plugin's kind was not checked, because the plugin cannot run here. If no check
  // failed, the last line then is "# skipped: FILE: why", which makes ctest show the test as skipped.
  void did_not_run(const std::string& file, const std::string& why);

  // Prints the plan, whose absence shows that the program died early. Returns the exit code, 0 if no check failed.
  // Throws Error when the report could not be written.
  int finish() const;

 private:
  std::ostream& out_;
  int count_ = 0, failed_ = 0;
  std::string not_run_;
};

// Throws Error with these parts unless the condition holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) fail(parts...);
}

// Throws Error unless the function throws gpt2run::Error. Any other exception counts as a violation too.
void require_error(const std::string& what, const std::function<void()>& function);

}  // namespace gpt2run::conformance
