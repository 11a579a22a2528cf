#include "gpt2run/engine/taps.hpp"

#include <string_view>

#include "gpt2run/sdk/network.hpp"

namespace gpt2run {

bool EngineTap::wants(const char* op) const {
  bool any = false;
  for (Member& member : members_) {
    member.ops.erase(op);
    if (!member.tap->wants(op)) continue;
    member.ops.insert(op);
    any = true;
  }
  return any;
}

bool EngineTap::tensor(const char* op, int layer, float* host, int rows, int cols) {
  const bool only_logits = std::string_view(op) == name_of(Op::norm_logits);
  owners_.clear();
  for (const StepRow& row : engine_.rows())
    if (row.logits || !only_logits) owners_.push_back({sequence_of_(row.request), row.position + row.shift, row.token});
  if (std::ssize(owners_) != rows) fail("a tap saw ", rows, " rows of ", op, ", expected ", owners_.size());
  bool changed = false;
  for (const Member& member : members_)
    if (member.ops.contains(std::string_view(op))) changed |= member.tap->tensor(op, layer, host, cols, owners_);
  return changed;
}

}  // namespace gpt2run
