// The loops have more independent sums than the latency of an instruction times the number of execution units, so that
// they run at peak throughput.
#include "gpt2bench/compute.hpp"

#include <atomic>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "gpt2bench/timed_parallel.hpp"

namespace gpt2run {
namespace {

constexpr int64_t kSteps = int64_t{1} << 20;
constexpr int kFew = 12, kMany = 24;  // the number of sums on machines with 16 and with 32 vector registers

// Hides a value from the compiler, which would otherwise compute equal sums only once. With x = 0.5 the sums, sum * x +
// x, converge to 1.
float opaque(float value) {
  const volatile float late = value;
  return late;
}

// Each of these loops returns how many operations it has done. The result is stored so that the compiler cannot remove
// the loop.
double add_fp32(std::atomic<float>& result) {
  typedef float Register __attribute__((vector_size(16)));
  const Register x = opaque(0.5f) - Register{}, y = x;
  Register sums[kFew];
  for (Register& sum : sums) sum = opaque(0) - Register{};
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kFew; ++i) sums[i] = sums[i] * x + y;
  }
  for (const Register& sum : sums) result = result + sum[0];
  return 2.0 * 4 * kFew * kSteps;
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] double add_fp32_avx2(std::atomic<float>& result) {
  const __m256 x = _mm256_set1_ps(opaque(0.5f)), y = x;
  __m256 sums[kFew];
  for (__m256& sum : sums) sum = _mm256_set1_ps(opaque(0));
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kFew; ++i) sums[i] = _mm256_fmadd_ps(sums[i], x, y);
  }
  for (const __m256& sum : sums) result = result + sum[0];
  return 2.0 * 8 * kFew * kSteps;
}

[[gnu::target("avx512f")]] double add_fp32_avx512(std::atomic<float>& result) {
  const __m512 x = _mm512_set1_ps(opaque(0.5f)), y = x;
  __m512 sums[kMany];
  for (__m512& sum : sums) sum = _mm512_set1_ps(opaque(0));
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kMany; ++i) sums[i] = _mm512_fmadd_ps(sums[i], x, y);
  }
  for (const __m512& sum : sums) result = result + sum[0];
  return 2.0 * 16 * kMany * kSteps;
}

[[gnu::target("avx512f,avx512bf16")]] double add_dots(std::atomic<float>& result) {
  const auto x = (__m512bh)_mm512_set1_ps(opaque(0x1p-8f)), y = x;  // pairs of 0 and 2^-8
  __m512 sums[kMany];
  for (__m512& sum : sums) sum = _mm512_set1_ps(opaque(0));
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kMany; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], x, y);
  }
  for (const __m512& sum : sums) result = result + sum[0];
  return 4.0 * 16 * kMany * kSteps;
}
#endif

using Add = double (*)(std::atomic<float>&);

Add widest(Arithmetic arithmetic) {
#if defined(__x86_64__)
  if (arithmetic == Arithmetic::bf16_dot) return add_dots;
  if (__builtin_cpu_supports("avx512f")) return add_fp32_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return add_fp32_avx2;
#endif
  (void)arithmetic;
  return add_fp32;
}

}  // namespace

Arithmetic arithmetic_for(std::string_view type) {
#if defined(__x86_64__)
  if (type == "bf16" && __builtin_cpu_supports("avx512bf16")) return Arithmetic::bf16_dot;
#endif
  (void)type;
  return Arithmetic::fp32;
}

double compute_rate(Arithmetic arithmetic, int threads) {
  const Add add = widest(arithmetic);
  std::atomic<float> result = 0;
  std::atomic<double> operations = 0;
  const double seconds = timed_parallel(threads, [&](int) { operations += add(result); });
  return operations / seconds;
}

double operations_per_row(const ModelConfig& config, int32_t rows) {
  double weights = 0;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    const Shape shape = shape_of(weight, config);
    if (is_per_layer(weight) && shape.cols > 1) weights += static_cast<double>(config.L * shape.rows * shape.cols);
  }
  const double L = config.L, C = config.C, V = config.V, seen = (rows + 1.0) / 2;
  return 2 * weights + 4 * L * C * seen + 2 * V * C / rows;
}

}  // namespace gpt2run
