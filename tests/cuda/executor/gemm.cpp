// The executor's substitute for cuBLASLt. Like the library's, its sums depend on the number of rows: they are in FP32,
// over blocks whose length depends on that number. So if a session promises bits that the library would not give, a
// test fails here too. For the same reason, tanh has the error that is assumed of the library.
#include "../../../precisions/cuda/gemm.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "gpt2run/sdk/cuda/runtime.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "host_work.hpp"

namespace gpt2run::cuda {
namespace {

// tanh with the largest error of the instruction tanh.approx.f32: too large for even outputs, too small for odd ones.
float coarse_tanh(float x, int output) {
  return std::clamp(std::tanh(x) * (1 + (output % 2 ? -0x1p-11f : 0x1p-11f)), -1.0f, 1.0f);
}

float gelu(float x, int output) {
  return 0.5f * x * (1 + coarse_tanh(0.7978845608f * (x + 0.044715f * x * x * x), output));
}

void store(const GemmProblem& p, int64_t index, float value) {
  if (p.out_type == Type::f32) static_cast<float*>(p.out)[index] = value;
  if (p.out_type == Type::f16) static_cast<f16*>(p.out)[index] = from_f32<f16>(value);
  if (p.out_type == Type::bf16) static_cast<bf16*>(p.out)[index] = from_f32<bf16>(value);
}

void multiply_row(const GemmProblem& p, int row, int block) {
  for (int output = 0; output < p.outputs; ++output) {
    float sum = 0;
    for (int first = 0; first < p.inputs; first += block) {
      float part = 0;
      for (int k = first; k < std::min(first + block, p.inputs); ++k)
        part += load_element(p.in, p.type, int64_t{row} * p.inputs + k) *
                load_element(p.weights, p.type, int64_t{output} * p.inputs + k);
      sum += part;
    }
    const int64_t at = row * p.out_stride + output;
    sum += p.bias ? load_element(p.bias, p.out_type, output) : 0;
    if (p.gelu) sum = gelu(sum, output);
    if (p.adds) sum += load_element(p.out, p.out_type, at);
    store(p, at, sum);
  }
}

// Refuses what may break a recording on a device: the first product of a shape.
class Plain final : public Gemm {
 public:
  void multiply(const GemmProblem& p, void* stream) override {
    executor::check_device("a product", stream);
    const void* const pointers[] = {p.in, p.weights, p.bias, p.out};
    executor::check_pointers("a product", pointers, sizeof pointers, stream);
    const Shape shape = {p.type,       p.out_type,        p.rows, p.outputs, p.inputs,
                         p.out_stride, p.bias != nullptr, p.gelu, p.adds};
    if (executor::is_recording() && !seen_.contains(shape))
      fail("a product of ", p.rows,
           " rows: its first one, which asks for a plan and loads kernels, comes while this thread "
           "records a graph");
    seen_.insert(shape);
    executor::enqueue(stream, [p] {
      for (int row = 0; row < p.rows; ++row) multiply_row(p, row, 8 + p.rows % 9);
    });
  }

 private:
  // type, out_type, rows, outputs, inputs, out_stride, whether there is a bias, gelu, adds
  using Shape = std::tuple<Type, Type, int, int, int, int64_t, bool, bool, bool>;
  std::set<Shape> seen_;
};

}  // namespace

std::unique_ptr<Gemm> open_gemm(const char*) { return std::make_unique<Plain>(); }

}  // namespace gpt2run::cuda
