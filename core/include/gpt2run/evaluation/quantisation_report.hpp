// What int8 or int4 does to each matrix of a model (sdk/quantise.hpp). wpe and vectors are not quantised.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// One matrix. T(x) is what the value x becomes. A row with NaN or infinity has no scale; it counts nowhere but in
// `count` and `not_finite`.
struct QuantisationReport {
  Weight weight;
  int layer;
  Type from;           // the file's type
  Type to;             // what it is quantised to
  int64_t count;       // number of values
  int64_t not_finite;  // values that are NaN or infinite
  int64_t clipped;     // beyond the values that the codes of its row and group have, so T(x) is the nearest end of them
  int64_t zeroed;      // x is not 0 and T(x) is
  double largest;      // max |x|
  double scale;        // the largest scale of a row
  double error;        // sqrt(sum (T(x) - x)^2 / sum x^2); 0 if all x are 0
};

// Reports on every matrix but wpe, in the order of Weight, with layers ascending. A head that shares its tensor with
// wte is left out. layers: what the matrices of the layers are quantised to. head: the same for wte and head_w, or
// nothing where these are not quantised; they are left out then. Both are i8 or u4. Uses all cores; the result does not
// depend on their number. Throws what Checkpoint::tensor throws, and Error for another type.
std::vector<QuantisationReport> quantisation_report_of(const Checkpoint& model, Type layers, std::optional<Type> head);

}  // namespace gpt2run
