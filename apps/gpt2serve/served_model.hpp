// ServedModel: one precision of the model, open, with the limits of its engine.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "gpt2run/engine/engine.hpp"
#include "gpt2serve/options.hpp"

namespace gpt2run {

struct ServedModel {
  std::string id;     // as the user named it, such as "bf16"
  BoundPlugin bound;  // outlives `instance`
  Instance instance;
  Limits limits;
  EngineOptions engine;
  bool is_reproducible = false;
  bool has_taps = false;
};

// How the sessions of a server are sized.
struct SessionPlan {
  int32_t slots, context, threads, device;
};

// The precision with the server's defaults: on a GPU, `invariant` is prefill unless the user said otherwise.
BoundPlugin with_server_defaults(const BoundPlugin& given);

// The limits and options of an engine for this precision. The chunk is the largest that is ever used.
void plan_engine(ServedModel& model, const SessionPlan& plan);

// One line for each model from `first` on, on the memory that it takes. Throws Error where all models together take
// more than the machine has. Those before `first` have been announced and opened.
void announce_memory(const std::vector<std::unique_ptr<ServedModel>>& models, const Checkpoint& checkpoint,
                     size_t first = 0);

// Opens the session. In host memory the chunk of prompts is lowered so that one takes no more than 50 ms, which is
// measured, where the session promises that a chunk does not change bits.
void open_session(ServedModel& model, const Checkpoint& checkpoint);

}  // namespace gpt2run
