// The second half of the checks of a precision: what ends in equal bits.
#pragma once
#include "conformance/precision_run.hpp"

namespace gpt2run::conformance {

// The Traits that it declares (others are skipped), and start, repeat, sampled tokens and taps, which keep bits always.
void check_promises(Report&, const Opened&);

}  // namespace gpt2run::conformance
