// Vectors of 16 floats for the instruction set that the file is compiled for. GPT2RUN_CPU_ISA is the name of the
// namespace and GPT2RUN_CPU_WIDTH the number of floats in a register. The arithmetic is the same for every width, bit
// for bit: a multiply-add is rounded once also where the machine has no instruction for it. Everything is inlined,
// because the linker must not share a function emitted here with code for a lesser machine.
#pragma once
#include "functions.hpp"
#include "packed.hpp"
#ifndef GPT2RUN_CPU_ISA
#define GPT2RUN_CPU_ISA portable
#define GPT2RUN_CPU_WIDTH 4
#endif
#if GPT2RUN_CPU_WIDTH > 4
#include <immintrin.h>
#endif

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

constexpr int kWidth = GPT2RUN_CPU_WIDTH, kLanes = 16, kParts = kLanes / kWidth;

GPT2RUN_INLINE int least(int a, int b) { return a < b ? a : b; }

// Calls f.operator()<rows>() for 1 to kMost rows.
template <int kMost, class F>
GPT2RUN_INLINE void with_rows(int rows, const F& f) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, f);
  }
  f.template operator()<kMost>();
}

typedef float Quad __attribute__((vector_size(16)));
typedef float Vector __attribute__((vector_size(kWidth * 4)));
typedef int32_t Ints __attribute__((vector_size(kWidth * 4)));
typedef uint32_t Bits __attribute__((vector_size(kWidth * 4)));
typedef uint16_t Halves __attribute__((vector_size(kWidth * 2)));

struct Floats {
  Vector part[kParts];
};

GPT2RUN_INLINE Vector splat(float value) { return value - Vector{}; }

// Applies f to each part of one or two operands.
template <class F>
GPT2RUN_INLINE Floats map(F f, Floats a) {
  for (int i = 0; i < kParts; ++i) a.part[i] = f(a.part[i]);
  return a;
}
template <class F>
GPT2RUN_INLINE Floats map(F f, Floats a, Floats b) {
  for (int i = 0; i < kParts; ++i) a.part[i] = f(a.part[i], b.part[i]);
  return a;
}

GPT2RUN_INLINE Floats splat16(float value) {
  Floats all;
  for (int i = 0; i < kParts; ++i) all.part[i] = splat(value);
  return all;
}
GPT2RUN_INLINE Floats operator+(Floats a, Floats b) {
  return map([](Vector x, Vector y) { return x + y; }, a, b);
}
GPT2RUN_INLINE Floats operator-(Floats a, Floats b) {
  return map([](Vector x, Vector y) { return x - y; }, a, b);
}
GPT2RUN_INLINE Floats operator*(Floats a, Floats b) {
  return map([](Vector x, Vector y) { return x * y; }, a, b);
}

#if GPT2RUN_CPU_WIDTH == 4 && !defined(__FMA__) && !defined(__FP_FAST_FMAF) && !defined(__aarch64__)
#define GPT2RUN_CPU_SPLIT_FMA  // the machine has no fused multiply-add

typedef double Doubles __attribute__((vector_size(32)));
typedef int64_t Longs __attribute__((vector_size(16)));

// A macro, because the machine has no register in which a function could return it.
#define GPT2RUN_IN_DOUBLE(value) __builtin_convertvector(value, Doubles)

// a * b + c rounded once: the sum is rounded to odd in double, which has enough digits beyond FP32's for the second
// rounding to be the only one that counts. An inexact sum whose last bit is even moves one unit towards what it lost.
[[gnu::noinline, gnu::cold]] Vector fma_by_odd(Vector a, Vector b, Vector c) {
  for (int i = 0; i < kWidth; ++i) {
    const double product = double(a[i]) * b[i], addend = c[i], sum = product + addend;
    const double own = sum - product, lost = (product - (sum - own)) + (addend - own);
    int64_t bits;
    __builtin_memcpy(&bits, &sum, sizeof bits);
    if ((lost < 0 || lost > 0) && !(bits & 1)) bits += (lost > 0) == (sum > 0) ? 1 : -1;
    double odd;
    __builtin_memcpy(&odd, &bits, sizeof odd);
    c[i] = static_cast<float>(odd);
  }
  return c;
}
#endif

// a * b + c, rounded once. Where that is done in double, the product is exact, and the sum is rounded twice: to double
// and to FP32. This gives another result than one rounding only if the sum in double lies between two neighbours in
// FP32, exactly in the middle, as the first rounding may have brought it there. In normal numbers the last 29 bits then
// are a one and zeros. Subnormal results have their middle elsewhere, so all of them are computed again; a zero is
// right, because what is smaller than the least FP32 number is exact in double.
GPT2RUN_INLINE Vector fma(Vector a, Vector b, Vector c) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(GPT2RUN_CPU_SPLIT_FMA)
  typedef int32_t Words __attribute__((vector_size(32)));
  const Doubles sum = GPT2RUN_IN_DOUBLE(a) * GPT2RUN_IN_DOUBLE(b) + GPT2RUN_IN_DOUBLE(c);
  const Vector result = __builtin_convertvector(sum, Vector);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const Ints low = __builtin_shufflevector((Words)sum, (Words)sum, 0, 2, 4, 6);
#else
  const Ints low = __builtin_shufflevector((Words)sum, (Words)sum, 1, 3, 5, 7);
#endif
  const Ints size = (Ints)result & 0x7fffffff;
  const Longs doubtful = (Longs)(((low & 0x1fffffff) == 0x10000000) | ((size > 0) & (size <= 0x00800000)));
  if (__builtin_expect((doubtful[0] | doubtful[1]) != 0, 0)) return fma_by_odd(a, b, c);
  return result;
#else
  for (int i = 0; i < kWidth; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}

// The same for an `a` and `b` that are both values of BF16, or both of FP16. Their product has at most 22 digits, so
// that the sum in double is that of two numbers of 24 digits. Then rounding it a second time changes nothing, since 53
// digits are at least twice 24 and two more.
GPT2RUN_INLINE Vector fma16(Vector a, Vector b, Vector c) {
#if defined(GPT2RUN_CPU_SPLIT_FMA)
  return __builtin_convertvector(GPT2RUN_IN_DOUBLE(a) * GPT2RUN_IN_DOUBLE(b) + GPT2RUN_IN_DOUBLE(c), Vector);
#else
  return fma(a, b, c);
#endif
}
// larger: a < b ? b : a. smaller: b < a ? b : a. Both also define what happens with NaN.
GPT2RUN_INLINE Vector larger(Vector a, Vector b) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_max_ps((__m512)b, (__m512)a);
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)_mm256_max_ps((__m256)b, (__m256)a);
#else
  return a < b ? b : a;
#endif
}
GPT2RUN_INLINE Vector smaller(Vector a, Vector b) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_min_ps((__m512)b, (__m512)a);
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)_mm256_min_ps((__m256)b, (__m256)a);
#else
  return b < a ? b : a;
#endif
}
GPT2RUN_INLINE Floats fma(Floats a, Floats b, Floats c) {
  for (int i = 0; i < kParts; ++i) c.part[i] = fma(a.part[i], b.part[i], c.part[i]);
  return c;
}

GPT2RUN_INLINE Vector load_vector(const float* at) {
  Vector value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
GPT2RUN_INLINE Vector load_vector(const bf16* at) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)((Bits)_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))) << 16);
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)((Bits)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))) << 16);
#else
  Halves bits;
  __builtin_memcpy(&bits, at, sizeof bits);
  return (Vector)(__builtin_convertvector(bits, Bits) << 16);
#endif
}
GPT2RUN_INLINE Vector load_vector(const f16* at) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
#else
  // A normal number only gets a new exponent. A subnormal one gets an exponent too, and the leading bit that this
  // implies is subtracted in FP32. That is exact and produces no subnormal FP32, which many processors handle slowly.
  // Infinity and NaN have their exponent or-ed in.
  Halves halves;
  __builtin_memcpy(&halves, at, sizeof halves);
  const Bits bits = __builtin_convertvector(halves, Bits), magnitude = (bits & 0x7fff) << 13;
  const Bits subnormal = (Bits)((Vector)(magnitude + 0x38800000) - splat(0x1p-14f));
  const Bits finite = (Ints)magnitude < 0x00800000 ? subnormal : magnitude + 0x38000000;
  const Bits special = (Bits)((Ints)magnitude > 0x0f7fffff) & 0x7f800000;
  const Bits quiet = (Bits)((Ints)magnitude > 0x0f800000) & 0x400000;
  return (Vector)(finite | special | quiet | (bits & 0x8000) << 16);
#endif
}

GPT2RUN_INLINE void store_vector(float* at, Vector value) { __builtin_memcpy(at, &value, sizeof value); }
// The nearest BF16 value, in the upper half of the bits. NaN stays NaN and becomes quiet.
GPT2RUN_INLINE Bits round_bf16(Vector value) {
  const Bits bits = (Bits)value, nearest = bits + 0x7fff + (bits >> 16 & 1);
  return (value == value ? nearest : bits | 0x400000) & 0xffff0000;
}
GPT2RUN_INLINE void store_vector(bf16* at, Vector value) {
  const Halves halves = __builtin_convertvector(round_bf16(value) >> 16, Halves);
  __builtin_memcpy(at, &halves, sizeof halves);
}
GPT2RUN_INLINE void store_vector(f16* at, Vector value) {
#if GPT2RUN_CPU_WIDTH == 16
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtps_ph((__m512)value, _MM_FROUND_TO_NEAREST_INT));
#elif GPT2RUN_CPU_WIDTH == 8
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT));
#else
  for (int i = 0; i < kWidth; ++i) at[i] = from_f32<f16>(value[i]);
#endif
}

template <class Value>
GPT2RUN_INLINE Floats load(const Value* at) {
  Floats all;
  for (int i = 0; i < kParts; ++i) all.part[i] = load_vector(at + i * kWidth);
  return all;
}
template <class Value>
GPT2RUN_INLINE void store(Value* at, Floats all) {
  for (int i = 0; i < kParts; ++i) store_vector(at + i * kWidth, all.part[i]);
}

// The first `count` of 16 elements. load() sets the others to zero; store() leaves them untouched.
template <class Value>
GPT2RUN_INLINE Floats load(const Value* at, int count) {
  if (count >= kLanes) return load(at);
  Value workspace[kLanes] = {};
  __builtin_memcpy(workspace, at, count * sizeof(Value));
  return load(workspace);
}
template <class Value>
GPT2RUN_INLINE void store(Value* at, Floats all, int count) {
  if (count >= kLanes) return store(at, all);
  Value workspace[kLanes];
  store(workspace, all);
  __builtin_memcpy(at, workspace, count * sizeof(Value));
}

// The format of two values of BF16 (../common/two_bf16.hpp), for rounded() only: its values are stored as FP32.
struct TwoBf16 {};

GPT2RUN_INLINE Vector round_two_bf16(Vector value) {
  const Vector high = (Vector)round_bf16(value), sum = high + (Vector)round_bf16(value - high);
  const Ints whole = ((Ints)((Bits)high & 0x7f800000) == 0x7f800000) | (Ints)(value == high);
  return whole ? high : sum;
}

// Each float rounded to the nearest value of the type, ties to even, as a float.
template <class Value>
GPT2RUN_INLINE Floats rounded(Floats all) {
  if constexpr (std::is_same_v<Value, float>) {
    return all;
  } else if constexpr (std::is_same_v<Value, bf16>) {
    return map([](Vector part) { return (Vector)round_bf16(part); }, all);
  } else if constexpr (std::is_same_v<Value, TwoBf16>) {
    return map([](Vector part) { return round_two_bf16(part); }, all);
  } else {
    Value workspace[kLanes];
    store(workspace, all);
    return load(workspace);
  }
}

// The sums of lanes i, i + 4, i + 8 and i + 12, added as (i + i8) + (i4 + i12).
GPT2RUN_INLINE Quad fold_lanes(const Floats& all) {
  float lanes[kLanes];
  store(lanes, all);
  Quad quad[4];
  __builtin_memcpy(quad, lanes, sizeof quad);
  return (quad[0] + quad[2]) + (quad[1] + quad[3]);
}

GPT2RUN_INLINE float sum(const Floats& all) {
  const Quad quad = fold_lanes(all);
  return (quad[0] + quad[2]) + (quad[1] + quad[3]);
}

// e^x with an error of about one unit in the last place. x = k ln 2 + r; the result is Cephes' polynomial for expf in
// r, times 2^k. Without an instruction for it, the scaling is done in two steps, so that both ends of the range come
// out right. NaN stays NaN.
GPT2RUN_INLINE Vector exp(Vector x) {
  x = smaller(larger(x, splat(-110.0f)), splat(90.0f));
  const Vector magic = splat(0x1.8p23f);
  const Vector shifted = fma(x, splat(1.44269504088896341f), magic), k = shifted - magic;
  const Vector r = fma(k, splat(2.12194440e-4f), fma(k, splat(-0.693359375f), x));
  Vector p = splat(1.9875691500e-4f);
  constexpr float kFurther[] = {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                                5.0000001201e-1f};
  for (float c : kFurther) p = fma(p, r, splat(c));
  p = fma(p, r * r, r) + splat(1.0f);
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_scalef_ps((__m512)p, (__m512)k);
#else
  const Ints whole = (Ints)shifted - (Ints)magic, half = whole >> 1;
  return p * (Vector)((half + 127) << 23) * (Vector)((whole - half + 127) << 23);
#endif
}

GPT2RUN_INLINE Floats exp(Floats all) {
  return map([](Vector part) { return exp(part); }, all);
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
