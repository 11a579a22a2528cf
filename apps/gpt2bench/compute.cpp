// The loops have more independent sums than the latency of an instruction times the number of execution units, so that
// they run at peak throughput.
#include "gpt2bench/compute.hpp"

#include <atomic>
#include <cstring>
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#include "gpt2bench/timed_parallel.hpp"

namespace gpt2run {
namespace {

constexpr int64_t kSteps = int64_t{1} << 20;
constexpr int kFew = 12, kMany = 24;  // the number of sums on machines with 16 and with 32 vector registers
constexpr int kFactors = 3;           // registers of each factor

// Random bytes that the compiler does not know, so that it computes every sum.
struct Noise {
  alignas(64) uint8_t bytes[2 * kFactors][1024];
  Noise() {
    uint64_t state = 1;
    for (auto& row : bytes) {
      for (uint8_t& byte : row) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const volatile auto late = static_cast<uint8_t>(state >> 56);
        byte = late;
      }
    }
  }
};

// The same as numbers between -1 and 1: FP32 in four bytes, and BF16 in two.
struct FloatNoise : Noise {
  explicit FloatNoise(size_t width) {
    for (auto& row : bytes) {
      for (size_t i = width - 1; i < sizeof row; i += width) {
        row[i] = (row[i] & 0x80) | 0x3e;  // sign and exponent: 1/8 to 1/2
      }
    }
  }
};

template <class Register>
Register load(const uint8_t (&bytes)[1024]) {
  Register value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Each of these loops returns how many operations it has done. The result is stored so that the compiler cannot remove
// the loop.
double add_fp32(std::atomic<float>& result) {
  typedef float Register __attribute__((vector_size(16)));
  const FloatNoise noise(sizeof(float));
  const Register x = load<Register>(noise.bytes[0]), y = load<Register>(noise.bytes[1]);
  Register sums[kFew] = {};
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kFew; ++i) sums[i] = sums[i] * x + y;
  }
  for (const Register& sum : sums) result = result + sum[0];
  return 2.0 * 4 * kFew * kSteps;
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] double add_fp32_avx2(std::atomic<float>& result) {
  const FloatNoise noise(sizeof(float));
  const __m256 x = _mm256_load_ps(reinterpret_cast<const float*>(noise.bytes[0]));
  const __m256 y = _mm256_load_ps(reinterpret_cast<const float*>(noise.bytes[1]));
  __m256 sums[kFew];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kFew; ++i) sums[i] = _mm256_fmadd_ps(x, y, sums[i]);
  }
  for (const __m256& sum : sums) result = result + sum[0];
  return 2.0 * 8 * kFew * kSteps;
}

[[gnu::target("avx512f")]] double add_fp32_avx512(std::atomic<float>& result) {
  const FloatNoise noise(sizeof(float));
  __m512 x[kFactors], y[kFactors], sums[kMany];
  for (int i = 0; i < kFactors; ++i)
    x[i] = _mm512_load_ps(noise.bytes[i]), y[i] = _mm512_load_ps(noise.bytes[kFactors + i]);
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kMany; ++i) sums[i] = _mm512_fmadd_ps(x[i % kFactors], y[i / kFactors % kFactors], sums[i]);
  }
  for (const __m512& sum : sums) result = result + sum[0];
  return 2.0 * 16 * kMany * kSteps;
}

[[gnu::target("avx512f,avx512bf16")]] double add_dots(std::atomic<float>& result) {
  const FloatNoise noise(sizeof(uint16_t));
  __m512bh x[kFactors], y[kFactors];
  __m512 sums[kMany];
  for (int i = 0; i < kFactors; ++i) {
    x[i] = (__m512bh)_mm512_load_si512(noise.bytes[i]);
    y[i] = (__m512bh)_mm512_load_si512(noise.bytes[kFactors + i]);
  }
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kMany; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], x[i % kFactors], y[i / kFactors % kFactors]);
  }
  for (const __m512& sum : sums) result = result + sum[0];
  return 4.0 * 16 * kMany * kSteps;
}

// The instruction is written out, because the compiler would copy the sums in every step.
[[gnu::target("avx512f,avx512vnni")]] double add_int8_avx512(std::atomic<float>& result) {
  typedef int32_t Register __attribute__((vector_size(64)));
  const Noise noise;
  Register x[kFactors], y[kFactors], sums[kMany] = {}, total = {};
  for (int i = 0; i < kFactors; ++i) {
    std::memcpy(&x[i], noise.bytes[i], sizeof x[i]);
    std::memcpy(&y[i], noise.bytes[kFactors + i], sizeof y[i]);
  }
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 24
    for (int i = 0; i < kMany; ++i)
      asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums[i]) : "v"(x[i % kFactors]), "v"(y[i / kFactors % kFactors]));
  }
#pragma GCC unroll 24
  for (int i = 0; i < kMany; ++i) total += sums[i];
  result = result + static_cast<float>(total[0]);
  return 8.0 * 16 * kMany * kSteps;
}

// Without dot products of bytes: their sums of pairs in 16 bits, then of pairs of these in 32.
[[gnu::target("avx2")]] double add_int8_avx2(std::atomic<float>& result) {
  const Noise noise;
  const auto x = _mm256_load_si256(reinterpret_cast<const __m256i*>(noise.bytes[0]));
  const auto y = _mm256_load_si256(reinterpret_cast<const __m256i*>(noise.bytes[1]));
  __m256i sums[kFew], factor = y;
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 12
    for (int i = 0; i < kFew; ++i) {
      asm volatile("" : "+x"(factor));  // the same products are computed again
      const __m256i pairs = _mm256_maddubs_epi16(x, factor);
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
#pragma GCC unroll 12
  for (int i = 1; i < kFew; ++i) sums[0] = _mm256_add_epi32(sums[0], sums[i]);
  result = result + static_cast<float>(_mm256_extract_epi32(sums[0], 0));
  return 8.0 * 8 * kFew * kSteps;
}

// The configuration of eight tiles of 16 rows of 64 bytes (LDTILECFG).
struct TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

[[gnu::target("amx-tile")]] void load_tiles(const Noise& noise) {
  alignas(64) const TileShapes shapes;
  asm volatile("ldtilecfg %0" : : "m"(shapes));
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, noise.bytes[0], 64);
  _tile_loadd(5, noise.bytes[1], 64);
  _tile_loadd(6, noise.bytes[2], 64);
  _tile_loadd(7, noise.bytes[3], 64);
}

constexpr int64_t kTileSteps = kSteps / 16;
constexpr double kTileProducts = 4.0 * 16 * 16 * kTileSteps;  // outputs of four tiles

[[gnu::target("amx-tile,amx-bf16")]] double add_bf16_tiles(std::atomic<float>&) {
  load_tiles(FloatNoise(sizeof(uint16_t)));
  for (int64_t step = 0; step < kTileSteps; ++step) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 2 * 32 * kTileProducts;
}

[[gnu::target("amx-tile,amx-int8")]] double add_int8_tiles(std::atomic<float>&) {
  load_tiles(Noise());
  for (int64_t step = 0; step < kTileSteps; ++step) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 7);
    _tile_dpbssd(2, 5, 6);
    _tile_dpbssd(3, 5, 7);
  }
  _tile_release();
  return 2 * 64 * kTileProducts;
}

// Whether the processor has tiles and products of this kind (a bit of EDX of CPUID 7), and the system lets this process
// use them.
bool has_tiles(unsigned bit) {
  constexpr unsigned kTiles = 1u << 24;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kTiles) || !(d & bit)) return false;
#if defined(__linux__)
  constexpr int kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
#else
  return false;
#endif
}
#endif

using Add = double (*)(std::atomic<float>&);

// The widest that the processor has for an arithmetic which arithmetic_for() gave.
Add widest(Arithmetic arithmetic) {
#if defined(__x86_64__)
  switch (arithmetic) {
    case Arithmetic::bf16_dot:
      return add_dots;
    case Arithmetic::int8_dot:
      return __builtin_cpu_supports("avx512vnni") ? add_int8_avx512 : add_int8_avx2;
    case Arithmetic::bf16_tile:
      return add_bf16_tiles;
    case Arithmetic::int8_tile:
      return add_int8_tiles;
    case Arithmetic::fp32:
      if (__builtin_cpu_supports("avx512f")) return add_fp32_avx512;
      if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return add_fp32_avx2;
  }
#endif
  (void)arithmetic;
  return add_fp32;
}

}  // namespace

Arithmetic arithmetic_for(std::string_view type) {
#if defined(__x86_64__)
  constexpr unsigned kBf16 = 1u << 22, kInt8 = 1u << 25;
  if (type == "bf16" && has_tiles(kBf16)) return Arithmetic::bf16_tile;
  if (type == "bf16" && __builtin_cpu_supports("avx512bf16")) return Arithmetic::bf16_dot;
  const bool bytes = type == "int8" || type == "int4";
  if (bytes && has_tiles(kInt8)) return Arithmetic::int8_tile;
  if (bytes && __builtin_cpu_supports("avx2")) return Arithmetic::int8_dot;
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
