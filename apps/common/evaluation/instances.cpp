// Opening of instances.
#include "common/evaluation/instances.hpp"

#include <algorithm>

#include "common/config/create.hpp"

namespace gpt2run {

Instance create_instance(const BoundPlugin& chosen, const Checkpoint& checkpoint) {
  return {instance_name(chosen), &chosen, &checkpoint, create<Precision>(chosen), nullptr};
}

Instance open_instance(const BoundPlugin& chosen, const Checkpoint& checkpoint, const Limits& limits) {
  Instance instance = create_instance(chosen, checkpoint);
  instance.session = instance.precision->open(checkpoint, limits);
  return instance;
}

Limits wider(const Limits& a, const Limits& b) {
  return {std::max(a.slots, b.slots),
          std::max(a.context, b.context),
          std::max(a.rows, b.rows),
          std::max(a.logit_rows, b.logit_rows),
          a.threads,
          a.device,
          a.keep_raw || b.keep_raw};
}

}  // namespace gpt2run
