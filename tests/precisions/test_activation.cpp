// The activation functions of the reference and of every instruction set, against double.
#include "activations.hpp"
#include "backend.hpp"

namespace gpt2run::test {
namespace {

// From tables of Phi, the logistic function and tanh.
TEST(ReferenceActivation, HasTheKnownValues) {
  struct Known {
    Activation activation;
    double x, y;
  };
  const Known known[] = {{Activation::gelu_tanh, 1, 0.8411919906082768},
                         {Activation::gelu_tanh, -1, -0.15880800939172324},
                         {Activation::gelu_erf, 1, 0.8413447460685429},
                         {Activation::gelu_erf, -1, -0.15865525393145707},
                         {Activation::gelu_erf, -10, -7.61985302416e-23},
                         {Activation::relu, 2.5, 2.5},
                         {Activation::relu, -2.5, 0},
                         {Activation::silu, 1, 0.7310585786300049},
                         {Activation::silu, -1, -0.2689414213699951},
                         {Activation::silu, -100, -3.7200759760208e-42},
                         {Activation::tanh, 1, 0.7615941559557649},
                         {Activation::tanh, -0.001, -0.0009999996666668}};
  for (const auto& [activation, x, y] : known)
    EXPECT_NEAR(activated(activation, x), y, 1e-11 * std::abs(y)) << name_of(activation) << " of " << x;
}

// Within some roundings of double. In gelu_erf the argument of erfc has two, and erfc(x / sqrt(2)) falls as e^(-x^2 /
// 2), so they count x^2 times. In gelu_tanh 1 + tanh is off by 2^-53 where it is next to 0.
TEST(ReferenceActivation, IsRightInTheWholeRange) {
  for (const Activation activation : all_activations()) {
    int64_t wrong = 0;
    for (const float x : activation_inputs(200003)) {
      const double y = exact_activation(activation, x), own = activated(activation, x);
      double relative = 0x1p-50, absolute = 0x1p-1000;  // where e^x ends in double, far below FP32
      if (activation == Activation::gelu_erf) relative += 0x1p-51 * std::min(double(x) * x, 1e4);
      if (activation == Activation::gelu_tanh) absolute += 0x1p-52 * std::abs(x);
      const double allowed = relative * std::abs(y) + absolute;
      wrong += std::isnan(y) ? !std::isnan(own) : own != y && !(std::abs(own - y) <= allowed);
    }
    EXPECT_EQ(wrong, 0) << name_of(activation);
  }
}

// The inputs through a kernel, fifteen at a time, so that the part of a vector is used too.
template <class Value>
std::vector<float> through_kernel(cpu::Isa isa, Activation activation, const std::vector<float>& inputs) {
  constexpr size_t kCount = 15;
  const std::vector<float> zeros(kCount, -0.0f);  // -0 changes no number
  const auto activate = cpu::kernels_of<Value>(isa).activate[static_cast<size_t>(activation)];
  std::vector<float> out(inputs.size());
  for (size_t i = 0; i < inputs.size(); i += kCount)
    activate(&inputs[i], zeros.data(), static_cast<int>(std::min(kCount, inputs.size() - i)), &out[i]);
  return out;
}

class KernelActivation : public testing::TestWithParam<Backend> {};

TEST_P(KernelActivation, IsRightInTheWholeRange) {
  const cpu::Isa isa = cpu::choose_isa(GetParam().options.at("isa"), GetParam().type);
  const std::vector<float> inputs = activation_inputs();
  for (const Activation activation : all_activations()) {
    const auto expect = [&]<class Value>(Value) {
      expect_activation(activation, GetParam().type, inputs, through_kernel<Value>(isa, activation, inputs));
    };
    if (GetParam().type == Type::f32) expect(float());
    if (GetParam().type == Type::f16) expect(f16());
    if (GetParam().type == Type::bf16) expect(bf16());
  }
}
INSTANTIATE_TEST_SUITE_P(All, KernelActivation, testing::ValuesIn(cpu_backends()), row_name);

TEST(KernelActivation, SetsOfOneOrderGiveTheSameBits) {
  std::vector<float> inputs = activation_inputs();
  std::erase_if(inputs, [](float x) { return std::isnan(x); });
  for (const Activation activation : all_activations()) {
    const auto expected = through_kernel<float>(cpu::Isa::portable, activation, inputs);
    for (const cpu::Isa isa : {cpu::Isa::avx2, cpu::Isa::avx512}) {
      if (!cpu::runs(isa)) continue;
      const auto own = through_kernel<float>(isa, activation, inputs);
      EXPECT_EQ(std::memcmp(own.data(), expected.data(), own.size() * sizeof(float)), 0)
          << name_of(activation) << ", " << cpu::kIsaNames[static_cast<int>(isa)];
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
