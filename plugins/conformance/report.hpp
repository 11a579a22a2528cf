// The lines of the Test Anything Protocol that the kit writes: "ok 1 - what", "not ok 2 - what: why", "ok 3 - what #
// SKIP why".
#pragma once
#include <functional>
#include <ostream>
#include <string>

#include "gpt2run/error.hpp"

namespace gpt2run::conformance {

// Thrown by a check that has nothing to check here; its text says why.
struct Skipped : std::runtime_error {
  using runtime_error::runtime_error;
};

class Report {
 public:
  explicit Report(std::ostream& out) : out_(out) {}  // out outlives it

  // Runs a check and prints its line: whatever it throws makes it "not ok", except Skipped. True: ok or skipped.
  bool check(const std::string& what, const std::function<void()>& function);

  // The promises of the plugin's kind were not looked at, since it cannot run here. Where nothing failed the last line
  // says so, "# skipped: FILE: why": ctest then shows the test as skipped.
  void did_not_run(const std::string& file, const std::string& why);

  // Prints the plan, which a program that died on the way lacks. The exit status: 0 when no check failed. Throws Error
  // when the report could not be written.
  int finish() const;

 private:
  std::ostream& out_;
  int count_ = 0, failed_ = 0;
  std::string not_run_;
};

// For checks: throws Error with the parts unless the condition holds.
template <class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) fail(parts...);
}

// Throws Error unless function throws gpt2run::Error; any other exception is a breach too.
void require_error(const std::string& what, const std::function<void()>& function);

}  // namespace gpt2run::conformance
