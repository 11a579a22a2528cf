// Precisions that take part, each with a model in memory.
#pragma once
#include <memory>
#include <string>

#include "common/evaluation/evaluation.hpp"

namespace gpt2run {

struct Instance {
  std::string name;  // in results
  const BoundPlugin* chosen;
  const Checkpoint* checkpoint;
  std::unique_ptr<Precision> precision;
  std::unique_ptr<Session> session;
};

// Both outlive the instance. Throws Error naming it.
Instance open_instance(const BoundPlugin& chosen, const Checkpoint& checkpoint, const Limits& limits);

// What is enough for either.
Limits wider(const Limits& a, const Limits& b);

}  // namespace gpt2run
