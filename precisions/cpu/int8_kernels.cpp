// The integer kernels for one instruction set. As kernels.cpp, this file is compiled once for each set, and everything
// in it is internal except for the table at its end.
#include "int8_kernels.hpp"

#include "int8_product.hpp"
#if defined(GPT2RUN_CPU_TILES)
#include "int8_tile_product.hpp"
#endif

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

GPT2RUN_INLINE Vector load_codes(const int8_t* at) {
#if GPT2RUN_CPU_WIDTH == 16
  return (Vector)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))));
#elif GPT2RUN_CPU_WIDTH == 8
  return (Vector)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at))));
#else
  int8_t codes[kWidth];
  __builtin_memcpy(codes, at, sizeof codes);
  return Vector{float(codes[0]), float(codes[1]), float(codes[2]), float(codes[3])};
#endif
}

uint32_t largest(const float* row, int n) {
  constexpr uint32_t kMagnitude = 0x7fffffff;
  Ints most[2] = {};
  int i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    for (int part = 0; part < 2; ++part) {
      const Ints bits = load_ints(row + i + part * kWidth) & static_cast<int32_t>(kMagnitude);
      most[part] = bits > most[part] ? bits : most[part];
    }
  }
  most[0] = most[1] > most[0] ? most[1] : most[0];
  int32_t result = 0;
  for (int lane = 0; lane < kWidth; ++lane) result = result < most[0][lane] ? most[0][lane] : result;
  for (; i < n; ++i) {
    int32_t bits;
    __builtin_memcpy(&bits, row + i, sizeof bits);
    bits &= static_cast<int32_t>(kMagnitude);
    result = result < bits ? bits : result;
  }
  return static_cast<uint32_t>(result);
}

// Rounds to the nearest integer by adding a number whose unit in the last place is 1, as nearest_even of
// sdk/quantise.hpp does. The product is rounded before; it is never fused with this addition.
GPT2RUN_INLINE Ints nearest_codes(Vector x, Vector inverse) {
  const Vector magic = splat(0x1.8p23f), scaled = x * inverse;
  return (Ints)(scaled + magic) - (Ints)magic;
}

int32_t code(const float* row, int n, float inverse, int8_t* codes) {
  if (inverse == 0) {
    __builtin_memset(codes, 0, n);
    return 0;
  }
  typedef int8_t Narrow __attribute__((vector_size(kWidth)));
  const Vector factor = splat(inverse);
  Ints sums = {};
  int i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const Ints four = nearest_codes(load_vector(row + i), factor);
    const Narrow narrow = __builtin_convertvector(four, Narrow);
    __builtin_memcpy(codes + i, &narrow, sizeof narrow);
    sums += four;
  }
  int32_t sum = 0;
  for (int lane = 0; lane < kWidth; ++lane) sum += sums[lane];
  for (; i < n; ++i) {
    const int32_t one = nearest_codes(splat(row[i]), factor)[0];
    codes[i] = static_cast<int8_t>(one);
    sum += one;
  }
  return sum;
}

// The values of so many inputs of int8 weights.
GPT2RUN_INLINE void write_values(const uint8_t* w, const float* scales, int inputs, float* out) {
  for (int k = 0; k < inputs; ++k) {
    const uint8_t* at = w + int64_t(k / kFour) * kStepBytes + k % kFour;
    float* to = out + int64_t(k) * kPanel;
    for (int o = 0; o < kPanel; ++o) to[o] = scales[o] * static_cast<float>(int(at[o * kFour]) - kBias);
  }
}

void int8_values(const std::byte* panel, int K, float* out) {
  write_values(codes_of(panel), reinterpret_cast<const float*>(panel), K, out);
}

void int4_values(const std::byte* panel, int K, float* out) {
  alignas(64) uint8_t unpacked[kGroupInputs * kPanel];
  const uint8_t* group = codes_of(panel);
  for (int k = 0; k < K; k += kGroupInputs, group += kGroupBytes) {
    unpack(group, kGroupInputs, unpacked);
    write_values(unpacked, reinterpret_cast<const float*>(panel), least(kGroupInputs, K - k),
                 out + int64_t(k) * kPanel);
  }
}

// By vectors, which read the weights of few rows as fast as memory gives them, or by tiles, where there are any.
template <Codes kCodes>
void linear(const CodedRows& x, int rows, const std::byte* w, int K, int outputs, float* y, int64_t y_stride,
            void* workspace) {
#if defined(GPT2RUN_CPU_TILES)
  constexpr int kVectorRows = 6;  // the most that go by vectors
  if (rows > kVectorRows) return tile_codes<kCodes, HardwareTiles>(x, rows, w, K, outputs, y, y_stride, workspace);
#endif
  linear_codes<kCodes>(x, rows, w, K, outputs, y, y_stride, workspace);
}

void cached_keys(const int8_t* codes, const float* scales, int D, float* out) {
  for (int o = 0; o < kPanel; o += kWidth) {
    const Vector scale = load_vector(scales + o);
    for (int d = 0; d < D; ++d) store_vector(out + d * kPanel + o, load_codes(codes + d * kPanel + o) * scale);
  }
}

void cached_values(const int8_t* codes, const float* scales, int count, int D, float* out) {
  for (int t = 0; t < count; ++t, codes += D, out += D) {
    const Vector scale = splat(scales[t]);
    int d = 0;
    for (; d + kWidth <= D; d += kWidth) store_vector(out + d, load_codes(codes + d) * scale);
    for (; d < D; ++d) out[d] = static_cast<float>(codes[d]) * scales[t];
  }
}

}  // namespace

const Int8Kernels& int8_kernels() {
  static constexpr Int8Kernels table = {
      Int8Isa::GPT2RUN_CPU_ISA,   largest,     code,         {linear<Codes::int8>, linear<Codes::int4>},
      {int8_values, int4_values}, cached_keys, cached_values};
  return table;
}

}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
