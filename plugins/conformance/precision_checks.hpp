// Further checks of a precision, in files of their own.
#pragma once
#include "conformance/precision_run.hpp"

namespace gpt2run::conformance {

// Checks that results are equal bit for bit: where the precision's Traits declare it (other traits are skipped), and
// through start(), sampled tokens and taps, which must never change bits.
void check_promises(Report&, const Opened&);

// Checks what taps see, and what becomes of values that they change.
void check_taps(Report&, const Opened&);

// Checks Session::repeat().
void check_repeat(Report&, const Opened&);

}  // namespace gpt2run::conformance
