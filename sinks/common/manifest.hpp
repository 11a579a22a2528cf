// What sinks read of a run's manifest and summary.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// The precision's type in upper case: "FP16" for cpu-fp16, and for a precision with the option type=fp16.
// "UNKNOWN" if the manifest names no precision.
std::string precision_type(std::string_view manifest_json);

// The user's names for prompts, by sequence = prompt index x samples + sample.
class PromptNames {
 public:
  PromptNames() = default;
  explicit PromptNames(std::string_view manifest_json);

  // Empty: the prompt has none. Lives as long as this object.
  std::string_view of(uint64_t sequence) const;

 private:
  std::vector<std::string> names_;  // empty: no prompt has one
  uint64_t samples_ = 1;
};

// What opening the session took, from the summary that end() gets; nothing if it does not say.
std::optional<double> open_seconds(std::string_view summary_json);

}  // namespace gpt2run
