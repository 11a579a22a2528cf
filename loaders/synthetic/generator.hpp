// The generator of a synthetic model's weights. It computes with integers up to the last step, so that every machine
// and scripts/synthetic.py produce the same floats.
//   key        mix(seed * kStep + layer * 17 + weight), with the weight's number in gpt2run::Weight
//   element i  of the tensor in row-major (out, in) order: the sum of the four 16-bit parts of mix(key + i * kStep),
//              minus 131070 (approximately normal), times a float scale, plus a float mean (1 for layernorm gains,
//              else 0)
#pragma once
#include "spec.hpp"

namespace gpt2run::synthetic {

// Writes all elements of a weight in row-major order. values: a buffer of the caller for shape_of(weight, spec.model)
// elements. A large weight is computed by several threads; the values do not depend on their number.
void fill(const Spec& spec, Weight weight, int layer, float* values);

}  // namespace gpt2run::synthetic
