// Products with a packed int8 or int4 matrix (int8_packed.hpp), for the instruction set that the file is compiled for.
// A sum of integers is exact, so it may be taken in any order, and every set and every blocking gives the same bits:
//   y = (float(sum of codes' products) x scale of the output) x scale of the row.
#pragma once
#include "int8_packed.hpp"
#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

typedef uint8_t Bytes __attribute__((vector_size(kWidth * 4)));
typedef int16_t Shorts __attribute__((vector_size(kWidth * 4)));
typedef uint8_t OutputBytes __attribute__((vector_size(kWidth)));

// The rows and the registers of outputs whose sums a tile computes at the same time.
constexpr int kRegisterRows = kWidth == 16 ? 7 : kWidth == 8 ? 4 : 2, kRegisterVectors = kWidth == 16 ? 4 : 2;

// How often a tile reads its inputs, each time for some of the outputs of a panel.
constexpr int kPasses = kPanel / kWidth / kRegisterVectors;

// Up to so many rows take all inputs of a panel at once, and keep their sums in registers. int4 needs some of these for
// unpacking.
template <Codes kCodes>
constexpr int kUnblockedRows = kPasses == 1 ? (kCodes == Codes::int8 ? 8 : 6) : 1;

// Up to so many rows of int8 read a panel as one stream.
constexpr int kStreamedRows = kPasses == 1 ? 5 : 1;

// With more rows of int4, the first so many unpack a block of weights for all of them; 0: unpack() does it.
constexpr int kUnpackingRows = kPasses == 1 ? 4 : 0;

// A block: so many inputs of a panel, and so many rows. Its weights, rows and sums stay in the second-level cache.
// Where a tile reads its inputs several times, the weights alone take 16 KB, so that they stay in the first-level
// cache. Only the first tile of rows would wait for memory, so every tile prefetches an equal share of the next block,
// a little for every kPrefetchSteps steps: everything at once would delay what is needed now.
constexpr int kBlockInputs = kPasses == 1 ? 1024 : 256, kBlockRows = 96, kPrefetchSteps = 4;
constexpr int kBeyond = 1536;               // bytes that are also prefetched, of the block after the next one
constexpr int kStepBytes = kPanel * kFour;  // of a panel, for four inputs
constexpr int kLine = 64;                   // bytes of a line of a cache
static_assert(kBlockInputs % kGroupInputs == 0, "a block has whole groups");

// With up to kFewTiles tiles, int4 takes blocks so short that the unpacked weights stay in the first-level cache.
// Longer blocks would be written to the second, which pays only when more tiles read them.
constexpr int kFewTiles = 2, kFewInputs = 256;
static_assert(kFewInputs % kGroupInputs == 0, "a block has whole groups");
static_assert(kFewInputs <= kBlockInputs, "there is room for the unpacked weights");

GPT2RUN_INLINE Ints splat_int(int32_t value) { return value - Ints{}; }
GPT2RUN_INLINE Ints load_ints(const void* at) {
  Ints value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}
// Keeps loads in the order in which they are written, by which the processor's own prefetching goes: the compiler must
// have the value in a register here.
GPT2RUN_INLINE void keep_order([[maybe_unused]] Ints& value) {
#if GPT2RUN_CPU_WIDTH > 4
  __asm__ volatile("" : "+v"(value));
#endif
}
GPT2RUN_INLINE void store_ints(void* at, Ints value) { __builtin_memcpy(at, &value, sizeof value); }

// Four codes of a row, in every lane.
GPT2RUN_INLINE Ints splat_codes(const int8_t* codes) {
  int32_t four;
  __builtin_memcpy(&four, codes, sizeof four);
  return splat_int(four);
}

// sum + the four products of each lane: w has codes + kBias, x has codes. Where the processor multiplies unsigned by
// signed bytes, the bias goes in and counts 128 times the sum of x, which `starting_sum` takes away in advance. These
// sums are modulo 2^32, and the result fits.
#if GPT2RUN_CPU_WIDTH == 16
constexpr bool kBiased = true;
GPT2RUN_INLINE Ints add_four(Ints sum, Ints w, Ints x) {
  return (Ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
}
#elif defined(__AVXVNNI__)
constexpr bool kBiased = true;
GPT2RUN_INLINE Ints add_four(Ints sum, Ints w, Ints x) {
  return (Ints)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w, (__m256i)x);
}
#elif GPT2RUN_CPU_WIDTH == 8
// |x| x (w with the sign of x): two products are at most 32258 together and fit in 16 bits; two such pairs would not.
constexpr bool kBiased = false;
GPT2RUN_INLINE Ints add_four(Ints sum, Ints w, Ints x) {
  const __m256i codes = _mm256_xor_si256((__m256i)w, _mm256_set1_epi8(-128));
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8((__m256i)x), _mm256_sign_epi8(codes, (__m256i)x));
  return sum + (Ints)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#else
// The bytes with even and with odd numbers, as 16 bits. A product fits, and so does the sum of two.
constexpr bool kBiased = false;
GPT2RUN_INLINE Ints add_four(Ints sum, Ints w, Ints x) {
  const Shorts codes = (Shorts)(w ^ static_cast<int32_t>(0x80808080)), inputs = (Shorts)x;
  const Shorts pairs = (codes << 8 >> 8) * (inputs << 8 >> 8) + (codes >> 8) * (inputs >> 8);
  return sum + ((Ints)pairs << 16 >> 16) + ((Ints)pairs >> 16);
}
#endif
GPT2RUN_INLINE int32_t minus_bias(int32_t sum_of_x) {
  return static_cast<int32_t>(static_cast<uint32_t>(sum_of_x) * -uint32_t(kBias));
}
GPT2RUN_INLINE int32_t starting_sum(int32_t sum_of_x) { return kBiased ? minus_bias(sum_of_x) : 0; }

// Prefetches a line into the second-level cache. The address may be past the end of the matrix.
GPT2RUN_INLINE void prefetch_line(uintptr_t at) { __builtin_prefetch(reinterpret_cast<const void*>(at), 0, 2); }

// The weights of the next block, which tiles prefetch while they compute.
struct BlockPrefetch {
  uintptr_t at, end;
  int lines;  // for every kPrefetchSteps steps
  GPT2RUN_INLINE void advance() {
    const uintptr_t after = at + lines * kLine, stop = after < end ? after : end;
#pragma GCC unroll 1
    for (; at < stop; at += kLine) prefetch_line(at);
  }
};

// The scratch memory of a product, in the caller's workspace.
struct Int8Workspace {
  GPT2RUN_INLINE explicit Int8Workspace(void* at)
      : unpacked(reinterpret_cast<uint8_t*>((reinterpret_cast<uintptr_t>(at) + kLine - 1) / kLine * kLine)),
        sums(reinterpret_cast<int32_t*>(unpacked + kBlockInputs * kPanel)),
        minus_sums(sums) {}
  uint8_t* unpacked;    // (kBlockInputs, kPanel) int4 weights as bytes of int8
  int32_t* sums;        // (kBlockRows, kPanel)
  int32_t* minus_sums;  // of a single row: (groups of K)
};
constexpr int kSums = kBlockRows * kPanel, kMostGroups = kMostInputs / kGroupInputs;
static_assert(kLine + kBlockInputs * kPanel + sizeof(int32_t) * (kSums > kMostGroups ? kSums : kMostGroups) <=
              kInt8Workspace);

// Part of the rows of a product, and where their outputs go.
struct Outputs {
  float* y;
  int64_t stride;
  int count;            // of the panel's outputs
  const float* scales;  // of the panel
};

// Writes one register of finished sums, of outputs from o on.
GPT2RUN_INLINE void finish(Ints sum, float row_scale, const Outputs& to, int row, int o) {
  const Vector value = (__builtin_convertvector(sum, Vector) * load_vector(to.scales + o)) * splat(row_scale);
  float* at = to.y + row * to.stride + o;
  if (o + kWidth <= to.count) return store_vector(at, value);
  float lanes[kWidth];
  store_vector(lanes, value);
  for (int i = 0; i < to.count - o; ++i) at[i] = lanes[i];
}

// What a tile adds up: the inputs from k on of the rows from `row` on, and where their sums or outputs go.
struct TileInput {
  const CodedRows& x;
  int row;
  int64_t k;
  int32_t* sums;  // (rows, kPanel) of the inputs before
  bool first;     // its inputs are the first, and there are no sums yet
  bool last;      // its inputs are the last: outputs are written, and no sums
  const Outputs& to;

  GPT2RUN_INLINE const int8_t* codes() const { return x.codes + row * x.stride + k; }
};

// All inputs of few rows.
GPT2RUN_INLINE TileInput all_inputs(const CodedRows& x, const Outputs& to) {
  return {x, 0, 0, nullptr, true, true, to};
}

GPT2RUN_INLINE const uint8_t* codes_of(const std::byte* panel) {
  return reinterpret_cast<const uint8_t*>(panel) + kScaleBytes;
}

// The sums of kR rows and kV registers of outputs, from output o on: those of the inputs before, or what a sum begins
// with. The loops are unrolled, or the compiler would keep sums in memory.
template <int kR, int kV>
GPT2RUN_INLINE void load_sums(const TileInput& input, int o, Ints (&total)[kR][kV]) {
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kV; ++v)
      total[r][v] = input.first ? splat_int(starting_sum(input.x.sums[input.row + r]))
                                : load_ints(input.sums + r * kPanel + o + v * kWidth);
  }
}

// Writes the sums, or the outputs if they are complete.
template <int kR, int kV>
GPT2RUN_INLINE void store_sums(const TileInput& input, int o, const Ints (&total)[kR][kV]) {
  if (input.last) {
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
      const int row = input.row + r;
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) finish(total[r][v], input.x.scales[row], input.to, row, o + v * kWidth);
    }
  } else {
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kV; ++v) store_ints(input.sums + r * kPanel + o + v * kWidth, total[r][v]);
    }
  }
}

// What a tile prefetches. none: nothing. share: its part of the next block. next_pass: the weights of the panel's next
// outputs; for the last outputs of a panel, those at BlockPrefetch::at, which are the first of the next panel.
enum class TilePrefetch { none, share, next_pass };

// Adds `steps` times four inputs of kR rows to the sums of a whole panel. kV: the registers of outputs of a pass. tile
// and int4_tile are not inlined: within a larger function GCC 12 keeps many of the sums in memory, which halves the
// speed. Alone it keeps one or two of 28 there.
template <int kR, int kV, TilePrefetch kPrefetch>
[[gnu::noinline]] BlockPrefetch tile(const TileInput& input, const uint8_t* w, int steps, BlockPrefetch share) {
  // Two rows wait for memory. Each loads the weights for itself: with one load for both, the loop runs ahead of what
  // the processor prefetches, and is a fifth slower.
  constexpr bool kLoadTwice = kR == 2 && kPrefetch == TilePrefetch::none;
  const int64_t stride = input.x.stride;
  const int8_t* codes = input.codes();
  for (int o = 0; o < kPanel; o += kV * kWidth) {
    const int following = o + kV * kWidth;
    const uintptr_t next = following < kPanel ? reinterpret_cast<uintptr_t>(w) + following * kFour : share.at;
    Ints total[kR][kV];
    load_sums(input, o, total);
#pragma GCC unroll 1
    for (int step = 0; step < steps; ++step) {
      if (kPrefetch == TilePrefetch::share && step % kPrefetchSteps == 0) share.advance();
      for (int v = 0; v < kV && kPrefetch == TilePrefetch::next_pass; ++v)
        prefetch_line(next + int64_t(step) * kStepBytes + v * kWidth * kFour);
      const uint8_t* at = w + int64_t(step) * kStepBytes + o * kFour;
      Ints weight[kV];
#pragma GCC unroll 8
      for (int r = 0; r < kR; ++r) {
        if (r == 0 || kLoadTwice) {
          if (kLoadTwice) __asm__ volatile("" : "+r"(at));  // or one load would do for both
#pragma GCC unroll 8
          for (int v = 0; v < kV; ++v) {
            weight[v] = load_ints(at + v * kWidth * kFour);
            keep_order(weight[v]);
          }
        }
        const Ints four = splat_codes(codes + r * stride + step * kFour);
#pragma GCC unroll 8
        for (int v = 0; v < kV; ++v) total[r][v] = add_four(total[r][v], weight[v], four);
      }
    }
    store_sums(input, o, total);
  }
  return share;
}

// A few rows with one panel of int8. Up to kStreamedRows read the panel once, as one stream that the processor
// prefetches by itself. For more, reading takes about as long as computing, and the processor does not do both at once
// by itself.
template <int kR>
GPT2RUN_INLINE void few_int8(const CodedRows& x, const std::byte* panel, int K, const Outputs& to) {
  constexpr bool kStream = kR <= kStreamedRows;
  constexpr int kV = kStream ? kPanel / kWidth : kRegisterVectors / 2;
  const uintptr_t next = reinterpret_cast<uintptr_t>(codes_of(panel)) + panel_bytes(Codes::int8, K);
  tile<kR, kV, kStream ? TilePrefetch::none : TilePrefetch::next_pass>(all_inputs(x, to), codes_of(panel),
                                                                       padded(K, kFour) / kFour, {next, next, 0});
}

// int4 groups of one register of outputs: factor and zero point in each lane.
struct Factors {
  Ints factor, zero;
};
GPT2RUN_INLINE Factors load_factors(const uint8_t* groups) {
  OutputBytes bytes;
  __builtin_memcpy(&bytes, groups, sizeof bytes);
#if GPT2RUN_CPU_WIDTH == 16
  const Ints wide = (Ints)_mm512_cvtepu8_epi32((__m128i)bytes);
#elif GPT2RUN_CPU_WIDTH == 8
  int64_t eight;
  __builtin_memcpy(&eight, &bytes, sizeof eight);
  const Ints wide = (Ints)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight));
#else
  const Ints wide = __builtin_convertvector(bytes, Ints);
#endif
  return {(wide >> 4) + 1, wide & 15};
}

// What turns int4 codes of a group into the bytes of int8 weights. A code times its factor is at most 120, so that two
// bytes are multiplied at once in 16 bits, without a carry.
struct Unpacking {
  Shorts factor;
  Bytes bias;
  GPT2RUN_INLINE Ints bytes(Ints codes) const { return (Ints)((Bytes)((Shorts)codes * factor) + bias); }
};
GPT2RUN_INLINE Unpacking load_unpacking(const uint8_t* groups) {
  const Factors f = load_factors(groups);
  const Shorts factor = (Shorts)(f.factor | f.factor << 16), zero = (Shorts)(f.zero | f.zero << 16);
  const Shorts bias = kBias - factor * zero;  // at least 8, at most 128
  return {factor, (Bytes)(bias | bias << 8)};
}
GPT2RUN_INLINE Ints low_codes(Ints codes) { return codes & 0x0f0f0f0f; }
GPT2RUN_INLINE Ints high_codes(Ints codes) { return codes >> 4 & 0x0f0f0f0f; }

// Turns `inputs` int4 weights, in whole groups, of a panel into the bytes of int8 weights.
[[gnu::noinline]] void unpack(const uint8_t* group, int inputs, uint8_t* out) {
  for (int k = 0; k < inputs; k += kGroupInputs, group += kGroupBytes, out += kGroupInputs * kPanel) {
#pragma GCC unroll 4
    for (int o = 0; o < kPanel; o += kWidth) {
      const Unpacking unpacking = load_unpacking(group + o);
#pragma GCC unroll 4
      for (int eight = 0; eight < kGroupInputs / 8; ++eight) {
        const Ints codes = load_ints(group + kPanel + (eight * kPanel + o) * kFour);
        store_ints(out + (2 * eight * kPanel + o) * kFour, unpacking.bytes(low_codes(codes)));
        store_ints(out + ((2 * eight + 1) * kPanel + o) * kFour, unpacking.bytes(high_codes(codes)));
      }
    }
  }
}

#if GPT2RUN_CPU_WIDTH == 16
// One row with one register of outputs and one group of int4: sum + factor x (sum of code x input - zero x sum of
// inputs). Codes are unsigned, so they are used as they lie; those in the high halves count sixteen times.
GPT2RUN_INLINE Ints add_group(Ints sum, const uint8_t* group, int o, const int8_t* x, Ints minus_sum) {
  const Factors f = load_factors(group + o);
  Ints low = (Ints)_mm512_madd_epi16((__m512i)f.zero, (__m512i)minus_sum), high = {};
#pragma GCC unroll 4
  for (int eight = 0; eight < kGroupInputs / 8; ++eight) {
    const Ints codes = load_ints(group + kPanel + (eight * kPanel + o) * kFour);
    low = add_four(low, codes & 0x0f0f0f0f, splat_codes(x + eight * 8));
    high = add_four(high, codes & static_cast<int32_t>(0xf0f0f0f0), splat_codes(x + eight * 8 + kFour));
  }
  return sum + (low + (high >> 4)) * f.factor;
}
#elif GPT2RUN_CPU_WIDTH == 8
// The same in 16 bits: two products of a code and an input are at most 3810, and a group has eight such pairs in a
// lane, which is 30480.
GPT2RUN_INLINE Ints add_group(Ints sum, const uint8_t* group, int o, const int8_t* x, Ints minus_sum) {
  const Factors f = load_factors(group + o);
  Shorts pairs = {};
#pragma GCC unroll 4
  for (int eight = 0; eight < kGroupInputs / 8; ++eight) {
    const Ints codes = load_ints(group + kPanel + (eight * kPanel + o) * kFour);
    const Ints low = codes & 0x0f0f0f0f, high = codes >> 4 & 0x0f0f0f0f;
    pairs += (Shorts)_mm256_maddubs_epi16((__m256i)low, (__m256i)splat_codes(x + eight * 8));
    pairs += (Shorts)_mm256_maddubs_epi16((__m256i)high, (__m256i)splat_codes(x + eight * 8 + kFour));
  }
  const __m256i factor = (__m256i)f.factor, both = _mm256_or_si256(factor, _mm256_slli_epi32(factor, 16));
  const __m256i zero = _mm256_mullo_epi16((__m256i)f.zero, factor);
  return sum + (Ints)_mm256_madd_epi16((__m256i)pairs, both) + (Ints)_mm256_madd_epi16(zero, (__m256i)minus_sum);
}
#endif

#if GPT2RUN_CPU_WIDTH == 16
// Adds `groups` groups of inputs of kR rows to the sums of a whole panel of int4, whose weights are unpacked in
// registers. kKeep: also prefetches, and writes the unpacked weights to `unpacked` (groups x kGroupInputs, kPanel) for
// other rows.
template <int kR, bool kKeep>
[[gnu::noinline]] BlockPrefetch int4_tile(const TileInput& input, const uint8_t* group, int groups, BlockPrefetch share,
                                          uint8_t* unpacked) {
  constexpr int kV = kRegisterVectors;
  static_assert(kV * kWidth == kPanel, "the panel is read once");
  const int64_t stride = input.x.stride;
  const int8_t* codes = input.codes();
  Ints total[kR][kV];
  load_sums(input, 0, total);
  for (int g = 0; g < groups; ++g, group += kGroupBytes) {
    Unpacking unpacking[kV];
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) unpacking[v] = load_unpacking(group + v * kWidth);
    // A group is twice kPrefetchSteps steps.
    for (int i = 0; i < kGroupInputs / kFour / kPrefetchSteps && kKeep; ++i) share.advance();
#pragma GCC unroll 1  // or there are not enough registers
    for (int eight = 0; eight < kGroupInputs / 8; ++eight, codes += 8) {
      Ints low[kV], high[kV];
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
        const Ints both = load_ints(group + kPanel + (eight * kPanel + v * kWidth) * kFour);
        low[v] = unpacking[v].bytes(low_codes(both)), high[v] = unpacking[v].bytes(high_codes(both));
        if (kKeep) {
          store_ints(unpacked + v * kWidth * kFour, low[v]);
          store_ints(unpacked + kStepBytes + v * kWidth * kFour, high[v]);
        }
      }
      if (kKeep) unpacked += 2 * kStepBytes;
#pragma GCC unroll 8
      for (int r = 0; r < kR; ++r) {
        const Ints first = splat_codes(codes + r * stride), second = splat_codes(codes + r * stride + kFour);
#pragma GCC unroll 4
        for (int v = 0; v < kV; ++v) total[r][v] = add_four(add_four(total[r][v], low[v], first), high[v], second);
      }
    }
  }
  store_sums(input, 0, total);
  return share;
}

// A few rows with one panel of int4.
template <int kR>
GPT2RUN_INLINE void few_int4(const CodedRows& x, const std::byte* panel, int K, const Outputs& to) {
  int4_tile<kR, false>(all_inputs(x, to), codes_of(panel), padded_inputs(Codes::int4, K) / kGroupInputs, {}, nullptr);
}
#endif

#if GPT2RUN_CPU_WIDTH > 4
// One row with one panel of int4. minus_sums: of each group's inputs the sum, negative, as the low half of 32 bits.
GPT2RUN_INLINE void single_int4(const CodedRows& x, const std::byte* panel, int K, const int32_t* minus_sums,
                                const Outputs& to) {
  constexpr int kAll = kPanel / kWidth;
  const uint8_t* group = codes_of(panel);
  Ints total[kAll] = {};
  for (int k = 0, g = 0; k < K; k += kGroupInputs, ++g, group += kGroupBytes) {
    const Ints minus_sum = splat_int(minus_sums[g]);
#pragma GCC unroll 8
    for (int v = 0; v < kAll; ++v) total[v] = add_group(total[v], group, v * kWidth, x.codes + k, minus_sum);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kAll; ++v) finish(total[v], x.scales[0], to, 0, v * kWidth);
}

// -(sum of the group's codes) for each group of a row, as the low half of 32 bits.
GPT2RUN_INLINE void negative_sums(const int8_t* codes, int K, int32_t* out) {
  for (int k = 0; k < K; k += kGroupInputs, ++out) {
    int32_t sum = 0;
    for (int i = 0; i < kGroupInputs; ++i) sum += codes[k + i];
    *out = -sum & 0xffff;
  }
}
#endif

// Up to kBlockRows rows, beginning at `row`, with one panel, block after block of its inputs. The int4 weights of a
// block are unpacked once: by the first kUnpackingRows rows beside their products, or else by unpack().
template <Codes kCodes>
GPT2RUN_INLINE void block_of_rows(const CodedRows& x, int row, int rows, const std::byte* panel, int K,
                                  const Outputs& to, const Int8Workspace& workspace) {
  constexpr int kLines =
      (kPrefetchSteps * kFour * kBytesOfInput<kCodes> + kLine - 1) / kLine;  // of kPrefetchSteps steps
  const int width = padded_inputs(kCodes, K);
  const int unpacking = kCodes == Codes::int4 ? least(kUnpackingRows, rows) : 0, others = rows - unpacking;
  const int other_tiles = (others + kRegisterRows - 1) / kRegisterRows, tiles = other_tiles + (unpacking > 0);
  const int rows_each = other_tiles > 0 ? (others + other_tiles - 1) / other_tiles : 0;
  const int turns = tiles * kPasses, lines = (kLines + turns - 1) / turns;
  // Blocks of equal length, because each prefetches what the next one reads.
  const int most = kCodes == Codes::int4 && tiles <= kFewTiles ? kFewInputs : kBlockInputs;
  const int blocks = (width + most - 1) / most, block = padded((width + blocks - 1) / blocks, kGroupInputs);
  for (int k = 0; k < width; k += block) {
    const int inputs = least(block, width - k), bytes = inputs * kBytesOfInput<kCodes>;
    const uint8_t* w = codes_of(panel) + int64_t(k) * kBytesOfInput<kCodes>;
    const uintptr_t next = reinterpret_cast<uintptr_t>(w) + bytes;
    BlockPrefetch share{next, next + bytes + kBeyond, lines};
    const auto input = [&](int r) {
      return TileInput{x, row + r, k, workspace.sums + r * kPanel, k == 0, k + inputs == width, to};
    };
    if constexpr (kCodes == Codes::int4) {
#if GPT2RUN_CPU_WIDTH == 16
      with_rows<kUnpackingRows>(unpacking, [&]<int kR>() {
        share = int4_tile<kR, true>(input(0), w, inputs / kGroupInputs, share, workspace.unpacked);
      });
#else
      unpack(w, inputs, workspace.unpacked);
#endif
      w = workspace.unpacked;
    }
    for (int r = unpacking; r < rows; r += rows_each) {
      with_rows<kRegisterRows>(least(rows_each, rows - r), [&]<int kR>() {
        share = tile<kR, kRegisterVectors, TilePrefetch::share>(input(r), w, inputs / kFour, share);
      });
    }
  }
}

// Int8Kernels::linear.
template <Codes kCodes>
void linear_codes(const CodedRows& x, int rows, const std::byte* w, int K, int outputs, float* y, int64_t y_stride,
                  void* memory) {
  const Int8Workspace workspace(memory);
#if GPT2RUN_CPU_WIDTH > 4
  if (kCodes == Codes::int4 && rows == 1) negative_sums(x.codes, K, workspace.minus_sums);
#endif
  for (int row = 0; row < rows; row += kBlockRows) {
    for (int o = 0; o < outputs; o += kPanel) {
      const std::byte* panel = w + int64_t(o / kPanel) * panel_bytes(kCodes, K);
      const Outputs to{y + o, y_stride, least(kPanel, outputs - o), reinterpret_cast<const float*>(panel)};
      if (kCodes == Codes::int8 && rows <= kUnblockedRows<Codes::int8>) {
        with_rows<kUnblockedRows<Codes::int8>>(rows, [&]<int kR>() { few_int8<kR>(x, panel, K, to); });
        continue;
      }
#if GPT2RUN_CPU_WIDTH > 4
      if (kCodes == Codes::int4 && rows == 1) {
        single_int4(x, panel, K, workspace.minus_sums, to);
        continue;
      }
#endif
#if GPT2RUN_CPU_WIDTH == 16
      if (kCodes == Codes::int4 && rows <= kUnblockedRows<Codes::int4>) {
        with_rows<kUnblockedRows<Codes::int4>>(rows, [&]<int kR>() { few_int4<kR>(x, panel, K, to); });
        continue;
      }
#endif
      block_of_rows<kCodes>(x, row, least(kBlockRows, rows - row), panel, K, to, workspace);
    }
  }
}

}  // namespace
}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
