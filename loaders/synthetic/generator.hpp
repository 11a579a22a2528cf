// The numbers of a synthetic model: integers only until the last step, so that every machine and scripts/synthetic.py
// make the same floats.
//   key        mix(seed * kStep + layer * 17 + weight), weight = its number in gpt2run::Weight
//   element i  of the tensor in row-major (out, in) order: the sum of the four 16-bit parts of mix(key + i * kStep),
//              minus 131070 (bell-shaped), times a float scale, plus a float mean (1 for layernorm gains, else 0)
#pragma once
#include "spec.hpp"

namespace gpt2run::synthetic {

// Writes all elements of a weight, shape_of(weight, spec.model), row-major. Uses several threads for big ones; the
// values do not depend on how many. values: owned by the caller.
void fill(const Spec& spec, Weight weight, int layer, float* values);

}  // namespace gpt2run::synthetic
