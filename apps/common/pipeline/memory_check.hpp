// Whether this machine can hold a session, which is asked before anything is allocated: a machine that fills its memory
// stands still, and then ends some program or other.
#pragma once
#include "common/pipeline/choice.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run {

// Throws Error where a session in host memory takes more than the machine has, swap included, or than the limit that
// its group of processes has; logs a warning where it takes more than is free. Weights that are mapped packed do not
// count. Of a device's memory nothing is known here.
void check_memory(const BoundPlugin& precision, const Checkpoint& checkpoint, const Limits& limits);

}  // namespace gpt2run
