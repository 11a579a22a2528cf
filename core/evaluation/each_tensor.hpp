// What the reports on a model's weights share: its tensors in order, and work on each of them by all processors.
#pragma once
#include <functional>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run {

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
