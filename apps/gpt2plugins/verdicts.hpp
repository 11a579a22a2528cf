// The verdicts of the conformance kit as text: lines of the Test Anything Protocol, or JSON.
#pragma once
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "conformance/report.hpp"

namespace gpt2run {

// One plugin that was checked.
struct CheckedPlugin {
  std::filesystem::path file;
  conformance::Examination examination;
};

// Writes lines such as "ok 1 - what", "not ok 2 - what: why" and "ok 3 - what # SKIP why", each as soon as it is known,
// and the plan, "1..3", at the end. The numbers go on from plugin to plugin.
class TapWriter {
 public:
  explicit TapWriter(std::ostream& out) : out_(out) {}  // out outlives it

  void begin(const std::filesystem::path& file);
  void write(const conformance::Verdict&);

  // Writes the plan. If no check failed, "# skipped: FILE: why" behind it names a plugin whose kind was not checked,
  // which makes ctest show the test as skipped.
  void finish(const std::vector<CheckedPlugin>&);

 private:
  std::ostream& out_;
  int count_ = 0;
};

// {"failed": 1, "plugins": [{"checks": [{"check", "number", "result": "ok", "failed" or "skipped", "why"}], "failed",
// "file", "not_run"}]}. not_run: why the checks of the plugin's kind did not run, or "".
std::string to_json(const std::vector<CheckedPlugin>&);

// The number of checks that failed.
size_t failed_of(const std::vector<CheckedPlugin>&);

}  // namespace gpt2run
