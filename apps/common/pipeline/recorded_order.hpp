// The order of sums of a recorded run on a processor that may be another one. An order has several forms, values of the
// precision's option `isa`, of which each needs other instructions; docs/numerics.md lists them.
#pragma once
#include "common/config/config.hpp"

namespace gpt2run {

// Where --config gave the manifest of a run, and with it the precision, sets its option `isa` to a form of the recorded
// order that this processor has, if the recorded value does not have it here. That is logged. An `isa` of the command
// line stays. Which order a value has is asked of the precision itself, by opening a session on a model of a few
// numbers. Returns false if no value has the order here: then `isa` is as recorded, or its default where that does not
// run.
bool take_recorded_order(BoundPlugin& precision, const Configuration& configuration);

}  // namespace gpt2run
