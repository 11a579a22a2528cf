// Threads that take one tensor after another.
#include "each_tensor.hpp"

#include <atomic>
#include <system_error>
#include <thread>

#include "gpt2run/sdk/processors.hpp"

namespace gpt2run {

std::vector<NamedTensor> tensors_of(const Checkpoint& model) {
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? model.config().L : 1); ++layer) {
      const Tensor tensor = model.tensor(weight, layer);
      if (weight == Weight::head_w && tensor.data == tensors.front().tensor.data) continue;
      tensors.push_back({weight, layer, tensor});
    }
  }
  return tensors;
}

void on_all_processors(size_t count, const std::function<void(size_t)>& work) {
  std::atomic<size_t> next = 0;
  const auto work_on = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> workers;
  for (int n = 1; n < processors(); ++n) {
    try {
      workers.emplace_back(work_on);
    } catch (const std::system_error&) {  // no more threads available: the others do the work
      break;
    }
  }
  work_on();
}

}  // namespace gpt2run
