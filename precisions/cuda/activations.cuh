// The activation functions other than GELU's tanh form, which is in math.cuh. Each is computed in a form whose error
// stays small beside its result, also where the result is small. The forms are those of precisions/cpu/activations.hpp.
#pragma once
#include "gpt2run/loader.hpp"
#include "math.cuh"

namespace gpt2run::cuda {

GPT2RUN_DEVICE float magnitude_of(float x) { return std::bit_cast<float>(std::bit_cast<uint32_t>(x) & 0x7fffffff); }

// e^(-a^2 / 2) for a from 0 to 16. What the rounding of the square lost is computed from two parts of a, the first of
// which has an exact square.
GPT2RUN_DEVICE float bell(float a) {
  const float head = std::bit_cast<float>(std::bit_cast<uint32_t>(a) & 0xfffff000), square = a * a;
  const float lost = (head * head - square) + (a - head) * (a + head);
  return exponential(square * -0.5f) * std::fma(lost, -0.5f, 1.0f);
}

// x Phi(x), where Phi(-a) = e^(-a^2 / 2) t P(t) for a from 0 to 16, with t = 1 / (1 + 0.4 a). Phi(-16) is 0 in FP32.
GPT2RUN_DEVICE float gelu_erf(float x) {
  const float whole = magnitude_of(x), a = whole > 16.0f ? 16.0f : whole;
  const float t = 1.0f / std::fma(a, 0.4f, 1.0f);
  float p = 3.2856649711e-2f;
  p = std::fma(p, t, -1.8027340296e-1f);
  p = std::fma(p, t, 3.9030285822e-1f);
  p = std::fma(p, t, -3.8439924567e-1f);
  p = std::fma(p, t, 1.2775397261e-1f);
  p = std::fma(p, t, -3.1021676154e-2f);
  p = std::fma(p, t, 9.2669550126e-2f);
  p = std::fma(p, t, 1.3288188903e-1f);
  p = std::fma(p, t, 1.5965471171e-1f);
  p = std::fma(p, t, 1.5957470096e-1f);
  const float tail = bell(a) * (t * p);
  return x * (x < 0.0f ? tail : 1.0f - tail);
}

// NaN and -0 stay as they are.
GPT2RUN_DEVICE float relu(float x) { return x < 0.0f ? 0.0f : x; }

// x / (1 + e^-x), and for x below 0 x e^x / (1 + e^x).
GPT2RUN_DEVICE float silu(float x) {
  const float e = exponential(-magnitude_of(x));
  return (x < 0.0f ? x * e : x) / (e + 1.0f);
}

// As Cephes' tanhf: an odd polynomial up to 0.625, then 1 - 2 / (e^2|x| + 1).
GPT2RUN_DEVICE float hyperbolic_tangent(float x) {
  const float a = magnitude_of(x), square = a * a;
  float p = -5.70498872745e-3f;
  p = std::fma(p, square, 2.06390887954e-2f);
  p = std::fma(p, square, -5.37397155531e-2f);
  p = std::fma(p, square, 1.33314422036e-1f);
  p = std::fma(p, square, -3.33332819422e-1f);
  const float small = std::fma(a * square, p, a), large = 1.0f - 2.0f / (exponential(a + a) + 1.0f);
  const uint32_t sign = std::bit_cast<uint32_t>(x) & 0x80000000;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(a < 0.625f ? small : large) | sign);
}

GPT2RUN_DEVICE float activated(Activation activation, float x) {
  switch (activation) {
    case Activation::gelu_tanh:
      return gelu(x);
    case Activation::gelu_erf:
      return gelu_erf(x);
    case Activation::relu:
      return relu(x);
    case Activation::silu:
      return silu(x);
    case Activation::tanh:
      return hyperbolic_tangent(x);
  }
  return NAN;
}

}  // namespace gpt2run::cuda
