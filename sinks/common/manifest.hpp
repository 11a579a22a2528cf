// Readers for the parts of a run's manifest and summary that sinks need.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// The type of the run's precision in upper case, such as "FP16" for cpu-fp16 and for a precision with the option
// type=fp16. "UNKNOWN" if the manifest does not tell it.
std::string precision_type(std::string_view manifest_json);

// The ids that the user gave to prompts, by sequence, which is the prompt's index x samples + sample.
class PromptNames {
 public:
  PromptNames() = default;
  explicit PromptNames(std::string_view manifest_json);

  // The id of a sequence's prompt as JSON, a text or a whole number; or empty. Valid as long as this object.
  std::string_view of(uint64_t sequence) const;

 private:
  std::vector<std::string> names_;  // as JSON; none if no prompt has an id
  uint64_t samples_ = 1;
};

// Sizes of the run's model, in the letters of docs/tour.md. Each is 0 where the manifest does not tell it.
struct ModelSizes {
  int L = 0, H = 0, C = 0;
};
ModelSizes model_sizes(std::string_view manifest_json);

// How many seconds the session took to open, from the summary that end() gets; nothing if it does not tell.
std::optional<double> open_seconds(std::string_view summary_json);

}  // namespace gpt2run
