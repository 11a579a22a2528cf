// What an activation function's result may be off, over all of FP32. For the kernels of the CPU and of CUDA, which
// compute in FP32 and then round to their type.
// u is FP32's unit roundoff, 2^-24. Every rounding of an intermediate value counts as one u of that value, e^x as two.
// All intermediate values but one enter the result at most in proportion. The exception is the argument of an
// exponential, whose relative error is multiplied by the argument.
#pragma once
#include <gtest/gtest.h>

#include <bit>
#include <vector>

#include "lockstep.hpp"

namespace gpt2run::test {

// The argument of e in x / (1 + e^..), the tanh form of GELU.
inline double gelu_exponent(double x) { return -2 * 0.7978845608028654 * (x + 0.044715 * x * x * x); }

// In double, in forms that keep their digits where the result is small. Not those of the reference, which is tested
// by these too.
inline double exact_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_tanh:
      return x / (1 + std::exp(gelu_exponent(x)));
    case Activation::gelu_erf:
      return x * (std::erfc(-x / std::sqrt(2.0)) / 2);
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::silu:
      return x < 0 ? x * std::exp(x) / (1 + std::exp(x)) : x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return NAN;
}

// In units of u, relative to the result. y: the result.
//   gelu_tanh  the argument has 5 roundings; e^x 2, the sum 1, the quotient 1
//   gelu_erf   t has 3 roundings, constant included, and t P(t) changes up to twice as much as t; P 3, t P 1, the bell
//              2 for e^x and 2 for its correction, the product of both 1, that with x 1
//   silu       e^x 2, x e^x 1, the sum 2 of which half is e^x's error, the quotient 1
//   tanh       from 0.625 on: the quotient has 4 and is at most 0.45 where the result is at least 0.55; the
//   difference 1.
//              Below: x^3 P is at most 0.13 of the result and has 4, the sum 1
inline double relative_roundings(Activation activation, double x) {
  switch (activation) {
    case Activation::gelu_tanh:
      return 4 + 5 * std::min(std::abs(gelu_exponent(x)), 200.0);
    case Activation::gelu_erf:
      return 16;
    case Activation::relu:
      return 0;
    case Activation::silu:
      return 6;
    case Activation::tanh:
      return 5;
  }
  return NAN;
}

// Beside the relative error: e^x and the result may be subnormal, and so off by the least of FP32. In the tanh form of
// GELU e^x may be infinite, which stands for at least 2^127.
inline double allowed_activation_error(Activation activation, double x, double y) {
  const double least =
      (1 + std::abs(x)) * 0x1p-149 + (activation == Activation::gelu_tanh ? std::abs(x) * 0x1p-127 : 0);
  return relative_roundings(activation, x) * 0x1p-24 * std::abs(y) + least;
}

// The worst of many outputs, as a multiple of what is allowed.
struct ActivationErrors {
  int64_t outputs = 0, outside = 0;
  double worst = 0;
  float worst_at = 0;

  // own: the kernel's result for x, of the type.
  void judge(Activation activation, Type type, float x, float own) {
    ++outputs;
    const double y = exact_activation(activation, x);
    if (std::isnan(y) ? std::isnan(own) : own == round_to(type, static_cast<float>(y))) return;
    const double rounding = type == Type::f32 ? 0 : unit_of(type, std::max<double>(std::abs(own), std::abs(y))) / 2;
    const double error = std::abs(own - y) / (allowed_activation_error(activation, x, y) + rounding);
    if (!(error <= 1)) ++outside;  // NaN is outside
    if (!(error <= worst)) worst = error, worst_at = x;
  }
};

// Floats all over the bits, some hundred to every exponent, densely those from -20 to 20, and the ends of the range.
inline std::vector<float> activation_inputs(uint32_t stride = 20011) {
  std::vector<float> x = {0.625f, 16.0f, INFINITY, NAN, 0.0f, 0x1p-149f, 0x1p-126f, 0x1.fffffep127f};
  for (size_t i = 0, count = x.size(); i < count; ++i) x.push_back(-x[i]);
  for (int i = -20 * 512; i <= 20 * 512; ++i) x.push_back(static_cast<float>(i) / 512 + 0x1p-16f);
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += stride) x.push_back(std::bit_cast<float>(uint32_t(bits)));
  return x;
}

inline std::vector<Activation> all_activations() {
  std::vector<Activation> all;
  for (int i = 0; i < kActivationCount; ++i) all.push_back(static_cast<Activation>(i));
  return all;
}

// own: what a kernel of the type gave for each of the inputs.
inline void expect_activation(Activation activation, Type type, const std::vector<float>& inputs,
                              const std::vector<float>& own) {
  ASSERT_EQ(inputs.size(), own.size());
  ActivationErrors errors;
  for (size_t i = 0; i < inputs.size(); ++i) errors.judge(activation, type, inputs[i], own[i]);
  EXPECT_EQ(errors.outside, 0) << name_of(activation) << " in " << name_of(type) << ": the worst is " << errors.worst
                               << " times the allowed error, at " << errors.worst_at;
  EXPECT_GT(errors.outputs, 0);
}

}  // namespace gpt2run::test
