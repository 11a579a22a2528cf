// What the reports on a model's weights share: its tensors in order, work on each of them by all processors,
// and the relative error.
#pragma once
#include <cmath>
#include <functional>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run {

// The relative error of values that were changed: the root of the sum of squared errors over that of squared values.
struct RelativeError {
  double squares = 0, errors = 0;

  void add(float x, float changed) {
    const double error = double{changed} - x;
    squares += double{x} * x;
    errors += error * error;
  }
  // 0 where every value is 0.
  double value() const { return squares > 0 ? std::sqrt(errors / squares) : 0; }
};

struct NamedTensor {
  Weight weight;
  int layer;
  Tensor tensor;
};

// Every tensor in the order of Weight, with layers ascending. A head that shares its tensor with wte is left out.
// Throws what Checkpoint::tensor throws.
std::vector<NamedTensor> tensors_of(const Checkpoint& model);

// Calls work(i) once for each i below count, from as many threads as there are processors. work must not throw.
void on_all_processors(size_t count, const std::function<void(size_t)>& work);

}  // namespace gpt2run
