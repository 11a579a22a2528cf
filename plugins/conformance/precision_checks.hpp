// The other parts of the checks of a precision.
#pragma once
#include "conformance/precision_run.hpp"

namespace gpt2run::conformance {

// Equal bits: the Traits that it declares (others are skipped), and start, sampled tokens and taps, which keep bits
// always.
void check_promises(Report&, const Opened&);

// Session::repeat.
void check_repeat(Report&, const Opened&);

}  // namespace gpt2run::conformance
