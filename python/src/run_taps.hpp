// What a call of a model does inside of it: patches change what operations write, and taps see what comes of it.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "gpt2run/engine/engine.hpp"
#include "gpt2run/engine/patch.hpp"
#include "gpt2run/engine/taps.hpp"
#include "open_model.hpp"
#include "tap_store.hpp"

namespace gpt2run::python {

// Parses a patch as --patch takes it (common/pipeline/patches.hpp). origin: how messages name it. Throws UsageError.
Patch parse_patch(const OpenModel& model, const std::string& text, const std::string& origin);

// Throws Error, as the engine does later, for a text that is longer than the context: before donors are read, and
// before there is memory for what is seen of each of its tokens.
void check_length(const OpenModel& model, const std::vector<int32_t>& ids);

struct Inside {
  std::vector<Patch> patches;       // in the order in which they are applied
  std::shared_ptr<TapStore> store;  // may be null
  RowTap* tap = nullptr;            // another one, which outlives the run; may be null
};

// The taps of one run.
class RunTaps {
 public:
  // Binds the patches to the prompts, and empties the store. Donors and prompts run through the model's session for
  // that, so no engine may have it yet. samples: sequences of each prompt. longest: tokens that the longest sequence
  // will have. Throws Error for a prompt beyond the context, UsageError for a patch that does not go with the prompts,
  // and what `check` throws.
  RunTaps(OpenModel& model, Inside inside, const std::vector<std::vector<int32_t>>& prompts, uint64_t samples,
          int64_t longest, const Check& check);
  RunTaps(const RunTaps&) = delete;
  RunTaps& operator=(const RunTaps&) = delete;

  // Has them see what this engine computes; both must live until it ends. sequence_of: the sequence of a request; its
  // prompt is sequence / samples. Throws Error if the session has no taps.
  void attach(Engine& engine, std::function<uint64_t(RequestId)> sequence_of);

  // Whether nothing looks inside, so that sequences may share what they have read.
  bool empty() const { return inside_.patches.empty() && !inside_.store && !inside_.tap; }

 private:
  Inside inside_;
  uint64_t samples_;
  std::vector<std::vector<BoundPatch>> bound_;  // by prompt
  PatchTap patch_tap_;
  std::optional<EngineTap> taps_;
};

}  // namespace gpt2run::python
