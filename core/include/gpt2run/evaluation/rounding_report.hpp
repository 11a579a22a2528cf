// What storing a model's weights in another type does to them, per tensor.
#pragma once
#include <cstdint>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// Of one tensor, each value rounded once to the type: T(x).
struct RoundingReport {
  Weight weight;
  int layer;
  Type from;           // the file's type
  int64_t count;       // values
  int64_t not_finite;  // NaN or infinite in the file: counted here only
  int64_t overflow;    // finite x, infinite T(x)
  int64_t underflow;   // x not 0, T(x) 0
  int64_t subnormal;   // T(x) not 0 and below the type's smallest normal value: fewer bits than others
  double largest;      // max |x|
  double error;        // sqrt(sum (T(x) - x)^2 / sum x^2) over all x of which T(x) is finite; 0 where all x are 0
};

// Every tensor in the order of Weight, layers ascending; a head that is wte's is left out. Uses all cores; the result
// does not depend on how many. Throws what Checkpoint::tensor throws.
std::vector<RoundingReport> rounding_report_of(const Checkpoint& model, Type to);

}  // namespace gpt2run
