// The rounding error that each tensor of a model gets when its weights are stored in another type.
#pragma once
#include <cstdint>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// One tensor's report. T(x) is the value x rounded once to the type.
struct RoundingReport {
  Weight weight;
  int layer;
  Type from;           // the file's type
  int64_t count;       // number of values
  int64_t not_finite;  // NaN or infinite in the file; not counted below
  int64_t overflow;    // x is finite and T(x) infinite
  int64_t underflow;   // x is not 0 and T(x) is
  int64_t subnormal;   // T(x) is not 0, but below the smallest normal value of the type, so it has fewer bits
  double largest;      // max |x|
  double error;        // sqrt(sum (T(x) - x)^2 / sum x^2) over all x with a finite T(x); 0 if all x are 0
};

// Reports on every tensor, in the order of Weight, with layers ascending. A head that shares its tensor with wte is
// left out. Uses all cores; the result does not depend on their number. Throws what Checkpoint::tensor throws.
std::vector<RoundingReport> rounding_report_of(const Checkpoint& model, Type to);

}  // namespace gpt2run
