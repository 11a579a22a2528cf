// The activation functions on vectors, for the instruction set that the file is compiled for (vector.hpp). Each is
// computed in a form whose error stays small beside its result, also where the result is small. The exception is GELU's
// tanh form below -5, which keeps the bits that it has always had.
#pragma once
#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

GPT2RUN_INLINE Vector magnitude_of(Vector x) { return (Vector)((Bits)x & 0x7fffffff); }

// The tanh approximation: x / 2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
GPT2RUN_INLINE Vector gelu_tanh_of(Vector x) {
  const Vector minus_two_u = x * fma(x * x, splat(-2 * 0.7978845608f * 0.044715f), splat(-2 * 0.7978845608f));
  return x / (exp(minus_two_u) + splat(1.0f));
}

// e^(-a^2 / 2) for a from 0 to 16. A rounded square alone would cost a unit of the result for each unit of a^2. So what
// its rounding lost is computed from two parts of a, the first of which has an exact square.
GPT2RUN_INLINE Vector bell_of(Vector a) {
  const Vector head = (Vector)((Bits)a & 0xfffff000), square = a * a;
  const Vector lost = (head * head - square) + (a - head) * (a + head);
  return exp(square * splat(-0.5f)) * fma(lost, splat(-0.5f), splat(1.0f));
}

// x Phi(x), where Phi(-a) = e^(-a^2 / 2) t P(t) for a from 0 to 16, with t = 1 / (1 + 0.4 a). P interpolates with a
// relative error below 2e-8. Phi(-16) is 0 in FP32.
GPT2RUN_INLINE Vector gelu_erf_of(Vector x) {
  const Vector a = smaller(magnitude_of(x), splat(16.0f));
  const Vector t = splat(1.0f) / fma(a, splat(0.4f), splat(1.0f));
  Vector p = splat(3.2856649711e-2f);
  constexpr float kFurther[] = {-1.8027340296e-1f, 3.9030285822e-1f,  -3.8439924567e-1f,
                                1.2775397261e-1f,  -3.1021676154e-2f, 9.2669550126e-2f,
                                1.3288188903e-1f,  1.5965471171e-1f,  1.5957470096e-1f};
  for (float c : kFurther) p = fma(p, t, splat(c));
  const Vector tail = bell_of(a) * (t * p);
  return x * (x < splat(0.0f) ? tail : splat(1.0f) - tail);
}

// NaN and -0 stay as they are.
GPT2RUN_INLINE Vector relu_of(Vector x) { return larger(x, splat(0.0f)); }

// x / (1 + e^-x), and for x below 0 x e^x / (1 + e^x).
GPT2RUN_INLINE Vector silu_of(Vector x) {
  const Vector e = exp(-magnitude_of(x));
  return (x < splat(0.0f) ? x * e : x) / (e + splat(1.0f));
}

// As Cephes' tanhf: an odd polynomial up to 0.625, then 1 - 2 / (e^2|x| + 1).
GPT2RUN_INLINE Vector tanh_of(Vector x) {
  const Vector a = magnitude_of(x), square = a * a;
  Vector p = splat(-5.70498872745e-3f);
  constexpr float kFurther[] = {2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f, -3.33332819422e-1f};
  for (float c : kFurther) p = fma(p, square, splat(c));
  const Vector small = fma(a * square, p, a), large = splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f));
  return (Vector)((Bits)(a < splat(0.625f) ? small : large) | ((Bits)x & 0x80000000));
}

template <Activation kActivation>
GPT2RUN_INLINE Vector activated(Vector x) {
  if constexpr (kActivation == Activation::gelu_tanh) return gelu_tanh_of(x);
  if constexpr (kActivation == Activation::gelu_erf) return gelu_erf_of(x);
  if constexpr (kActivation == Activation::relu) return relu_of(x);
  if constexpr (kActivation == Activation::silu) return silu_of(x);
  if constexpr (kActivation == Activation::tanh) return tanh_of(x);
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
