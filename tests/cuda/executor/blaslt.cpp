// cuBLASLt's place in the executor: a plain product. Like the library's, its sums depend on how many rows it is given:
// in FP32, in blocks that are longer or shorter with their number, so that a promise of bits that cannot rest on the
// library does not hold here either.
#include "../../../precisions/cuda/blaslt.hpp"

#include <algorithm>

#include "gpt2run/cuda/runtime.hpp"
#include "gpt2run/numeric.hpp"
#include "host_work.hpp"

namespace gpt2run::cuda {
namespace {

void multiply_row(const ManyRows& p, int row, int block) {
  for (int output = 0; output < p.outputs; ++output) {
    float sum = 0;
    for (int first = 0; first < p.inputs; first += block) {
      float part = 0;
      for (int k = first; k < std::min(first + block, p.inputs); ++k)
        part += load_element(p.in, p.type, int64_t{row} * p.inputs + k) *
                load_element(p.weights, p.type, int64_t{output} * p.inputs + k);
      sum += part;
    }
    float& out = p.out[row * p.out_stride + output];
    out = (p.adds ? out : 0) + (sum + (p.bias ? p.bias[output] : 0));
  }
}

class Plain final : public Blaslt {
 public:
  void multiply(const ManyRows& p, void* stream) override {
    executor::enqueue(stream, [p] {
      for (int row = 0; row < p.rows; ++row) multiply_row(p, row, 8 + p.rows % 9);
    });
  }
};

}  // namespace

std::unique_ptr<Blaslt> open_blaslt(const char*) { return std::make_unique<Plain>(); }

}  // namespace gpt2run::cuda
