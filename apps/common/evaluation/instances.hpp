// An instance: a precision with an open session of the model.
#pragma once
#include <memory>
#include <string>

#include "common/evaluation/evaluation.hpp"

namespace gpt2run {

// One instance of a comparison.
struct Instance {
  std::string name;  // in results
  const BoundPlugin* chosen;
  const Checkpoint* checkpoint;
  std::unique_ptr<Precision> precision;
  std::unique_ptr<Session> session;
};

// Creates the precision, without a session yet: its weights are not loaded. `chosen` and `checkpoint` outlive the
// instance. Throws Error naming the precision.
Instance create_instance(const BoundPlugin& chosen, const Checkpoint& checkpoint);

// The same with an open session.
Instance open_instance(const BoundPlugin& chosen, const Checkpoint& checkpoint, const Limits& limits);

// Limits that are large enough for both; threads and device are those of `a`.
Limits wider(const Limits& a, const Limits& b);

}  // namespace gpt2run
