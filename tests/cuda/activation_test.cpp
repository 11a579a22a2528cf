// The activation functions of the CUDA kernels against double, through the sinks that write them.
#include "../../precisions/cuda/gemm_epilogue.cuh"
#include "../../precisions/cuda/sinks.cuh"
#include "precisions/activations.hpp"

namespace gpt2run::test {
namespace {

template <class Value>
class CudaActivation : public testing::Test {};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(CudaActivation, Types);

template <class Value, class Sink>
std::vector<float> through_sink(const std::vector<float>& inputs, const Sink& sink) {
  const int count = static_cast<int>(inputs.size());
  cuda::launch_finish("activation", inputs.data(), count, {0, 1, true}, count, sink, nullptr);
  std::vector<float> out;
  for (int i = 0; i < count; ++i) out.push_back(to_f32(sink.h[i]));
  return out;
}

TYPED_TEST(CudaActivation, IsRightInTheWholeRange) {
  const std::vector<float> inputs = activation_inputs(200003), bias(inputs.size(), -0.0f);
  std::vector<TypeParam> out(inputs.size());
  const int width = static_cast<int>(out.size());
  constexpr Type kType = std::is_same_v<TypeParam, float> ? Type::f32
                         : std::is_same_v<TypeParam, f16> ? Type::f16
                                                          : Type::bf16;
  for (const Activation activation : all_activations()) {
    const cuda::ActivationSink<TypeParam> sink = {bias.data(), out.data(), width, activation};
    expect_activation(activation, kType, inputs, through_sink<TypeParam>(inputs, sink));
  }
  const cuda::GeluSink<TypeParam> gelu = {bias.data(), out.data(), width};
  expect_activation(Activation::gelu_tanh, kType, inputs, through_sink<TypeParam>(inputs, gelu));
}

}  // namespace
}  // namespace gpt2run::test
