#include "gpt2run/engine/request.hpp"

#include <algorithm>

namespace gpt2run {
namespace {

// Rows of a step with recompute, unless a single pass needs more. This many keep any machine busy, and bound the
// memory.
constexpr int64_t kRecomputedRows = 4096;

}  // namespace

Limits engine_limits(const EngineOptions& options, int32_t slots, int32_t context, bool changes_logits) {
  if (slots < 1 || context < 1 || options.chunk < 0)
    fail("expected an engine of at least one slot and one position, found ", slots, " and ", context, ", chunk ",
         options.chunk);
  const bool scores_prompts = (options.wants & kPrompt) && (options.wants & (kLogprob | kLogits));
  const int32_t chunk = std::min(options.chunk, context);
  Limits limits{};
  limits.slots = slots, limits.context = context;
  limits.rows = slots + chunk;
  if (options.recompute) {
    const int64_t pass = std::min<int64_t>(context, std::max(options.chunk, 1));
    limits.rows = static_cast<int32_t>(std::min(slots * pass, std::max(pass, kRecomputedRows)));
  }
  limits.logit_rows = slots + (scores_prompts ? chunk : 0);
  limits.keep_raw = changes_logits && (options.wants & (kLogprob | kLogits));
  return limits;
}

std::string_view why_not_replayed(Space session, Space chain, uint32_t wants, bool recompute) {
  if (session == Space::host) return "in host memory waiting costs nothing";
  if (chain != session) return "a host sampler stands behind the device";
  if (wants & kLogits) return "a sink wants logits";
  if (wants & kTimes) return "a sink wants times";
  if (wants & kTaps) return "a sink wants to see what operations write";
  if (recompute) return "every pass is recomputed";
  return "";
}

}  // namespace gpt2run
