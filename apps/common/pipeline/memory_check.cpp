// Compares what a session takes with what there is. Where that is not known, nothing is checked.
#include "common/pipeline/memory_check.hpp"

#include <string>

#include "common/pipeline/explain.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/program/available_memory.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

// Whether the session finds its weights packed: they are then pages of a file, which the system gives back at need.
bool is_mapped(const BoundPlugin& precision, const Checkpoint& checkpoint) {
  const auto* packed = dynamic_cast<const PackedCheckpoint*>(&checkpoint);
  const std::optional<Type> layers = type_of(precision), head = head_type_of(precision);
  return packed && layers && head && packed->holds(Weight::qkv_w, *layers) && packed->holds(Weight::wte, *head);
}

}  // namespace

void check_memory(const BoundPlugin& precision, const Checkpoint& checkpoint, const Limits& limits) {
  if (precision.plugin->space != Space::host) return;
  const MemoryUse use = memory_of(checkpoint.config(), limits, is_tied(checkpoint), element_bytes(precision));
  const int64_t wanted = use.total() - (is_mapped(precision, checkpoint) ? use.weights : 0);
  const std::string what = std::to_string(limits.slots) + (limits.slots == 1 ? " sequence" : " sequences") +
                           " at a time, of " + std::to_string(limits.context) + " tokens, take at least " +
                           shown_bytes(wanted) + " of memory";
  if (const int64_t all = total_memory(); wanted > all)
    fail(what, ", this machine has ", shown_bytes(all), ": give a smaller --batch, or fewer new tokens (-n)");
  if (const int64_t free = available_memory(); wanted > free)
    log_warning(what + ", of which " + shown_bytes(free) + " are free now");
}

}  // namespace gpt2run
