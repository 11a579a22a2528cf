// Exact selection of a token from a row of logits. After one exponential per token everything is integers, so that
// every order of summation, every batch and every device gives the same token. The functions at the top compile for the
// host and for CUDA; the host's selection from a whole row follows.
//
// Order:   logits by (value descending, token id ascending); -0 equals +0; -infinity is a dropped token.
// Steps:   temperature, the first top_k in that order, min-p, then top-p on the mass that is left; then one draw.
// Mass:    round(exp((logit - max) / temperature) * 2^46). V < 2^18 (kMaxVocab) keeps every sum below 2^64.
// Errors:  kNone if the row has a NaN or +infinity, or nothing but -infinity. +infinity comes from an overflow earlier
//          on, after which no token can be called the right one.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "gpt2run/sampler.hpp"
#include "gpt2run/sdk/random.hpp"

namespace gpt2run {

inline constexpr int32_t kMaxVocab = (1 << 18) - 1;
inline constexpr uint64_t kWholeMass = uint64_t{1} << 46;  // mass of the most likely token
inline constexpr uint64_t kKeepAll = ~uint64_t{0};         // a top_p of 1 in fixed point

// Order keys: a larger key is a larger logit. The greatest key of a row tells whether it can be sampled (is_usable).
inline constexpr uint32_t kNanKey = 0xFFFFFFFF;  // any NaN, above +infinity
inline constexpr uint32_t kPlusInfinityKey = 0xFF800000;
inline constexpr uint32_t kMinusInfinityKey = 0x007FFFFF;

GPT2RUN_HD inline uint32_t order_key(float logit) {
  uint32_t bits;
  std::memcpy(&bits, &logit, sizeof bits);
  // Free of branches, so that compilers vectorise loops over it.
  const uint32_t negative = 0 - (bits >> 31), nan = 0 - uint32_t{(bits & 0x7FFFFFFF) > 0x7F800000};
  return ((bits ^ (negative | 0x80000000)) + uint32_t{bits == 0x80000000}) | nan;
}

// The logit of a key; +0 for both zeros. Not defined for kNanKey.
GPT2RUN_HD inline float logit_of(uint32_t key) {
  const uint32_t bits = key ^ (((key >> 31) - 1) | 0x80000000);
  float logit;
  std::memcpy(&logit, &bits, sizeof logit);
  return logit;
}

GPT2RUN_HD constexpr bool is_usable(uint32_t max_key) {
  return max_key > kMinusInfinityKey && max_key < kPlusInfinityKey;
}

// A token's rank: its place in the order as one number, by logit and then by lower id. A greater rank comes earlier.
GPT2RUN_HD constexpr uint64_t rank_of(uint32_t key, int32_t id) {
  return uint64_t{key} << 32 | static_cast<uint32_t>(~id);
}
GPT2RUN_HD constexpr int32_t id_of(uint64_t rank) { return static_cast<int32_t>(~static_cast<uint32_t>(rank)); }

// exp(x) for x <= 0 and -infinity. The relative error is below 2^-52 for x >= -708; the result is 0 below that. It is a
// single Horner chain of fused multiply-adds, so that no compiler can change a bit by contraction: x = k ln 2 + r with
// |r| <= ln 2 / 2, and the Taylor remainder r^14 / 14! is below 2^-57. It is free of branches, so that compilers
// vectorise loops over it.
GPT2RUN_HD inline double exp_nonpositive(double x) {
  constexpr double log2_e = 0x1.71547652b82fep+0;
  constexpr double ln2_high = 0x1.62e42fefa39efp-1, ln2_low = 0x1.abc9e3b39803fp-56;
  constexpr double to_integer = 0x1.8p+52;  // adding it leaves the rounded integer in the low bits
  const double bounded = x < -708.0 ? -708.0 : x;
  const double shifted = std::fma(bounded, log2_e, to_integer);
  const double k = shifted - to_integer;
  const double r = std::fma(-k, ln2_low, std::fma(-k, ln2_high, bounded));
  double sum = 1.0 / 6227020800.0;
  sum = std::fma(sum, r, 1.0 / 479001600.0);
  sum = std::fma(sum, r, 1.0 / 39916800.0);
  sum = std::fma(sum, r, 1.0 / 3628800.0);
  sum = std::fma(sum, r, 1.0 / 362880.0);
  sum = std::fma(sum, r, 1.0 / 40320.0);
  sum = std::fma(sum, r, 1.0 / 5040.0);
  sum = std::fma(sum, r, 1.0 / 720.0);
  sum = std::fma(sum, r, 1.0 / 120.0);
  sum = std::fma(sum, r, 1.0 / 24.0);
  sum = std::fma(sum, r, 1.0 / 6.0);
  sum = std::fma(sum, r, 0.5);
  sum = std::fma(sum, r, 1.0);
  sum = std::fma(sum, r, 1.0);
  uint64_t power;
  std::memcpy(&power, &shifted, sizeof power);
  power = (power + 1023) << 52 & (uint64_t{x < -708.0} - 1);
  double scale;
  std::memcpy(&scale, &power, sizeof scale);
  return sum * scale;
}

// value * 2^46, rounded to nearest, ties to even. value: in [0, 1].
GPT2RUN_HD inline uint64_t fixed46(double value) {
  const double shifted = std::fma(value, 0x1p+46, 0x1p+52);
  uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits & 0xFFFFFFFFFFFFF;
}

// The mass of a token: kWholeMass for the greatest logit, 0 for -infinity. max: finite. temperature: above 0.
GPT2RUN_HD inline uint64_t mass_of(float logit, float max, double temperature) {
  return fixed46(exp_nonpositive((static_cast<double>(logit) - static_cast<double>(max)) / temperature));
}

// The least mass that min-p keeps. min_p: in [0, 1].
GPT2RUN_HD inline uint64_t least_mass(double min_p) { return fixed46(min_p); }

// top_p in (0, 1] as 64-bit fixed point. The scaling is exact, and bits below 2^-64 are cut off, which only a
// top_p < 2^-12 can have. 1 becomes kKeepAll, which no smaller double reaches.
GPT2RUN_HD inline uint64_t fixed_top_p(double top_p) {
  return top_p < 1.0 ? static_cast<uint64_t>(top_p * 0x1p+64) : kKeepAll;
}

// The mass that the kept prefix must reach. At least one token is always kept, even if this is 0.
GPT2RUN_HD constexpr uint64_t top_p_target(uint64_t top_p, uint64_t total) {
  return top_p == kKeepAll ? total : mulhi(top_p, total);
}

// A random point in [0, kept). It selects the first token, in the order of ids, at which the running sum of the kept
// masses exceeds the point.
GPT2RUN_HD constexpr uint64_t draw(uint64_t seed, uint64_t sequence, int32_t position, uint64_t kept) {
  return mulhi(random_bits(seed, sequence, position), kept);
}

// The parameters of a selection.
struct SelectSpec {
  double temperature = 1;  // [0, inf); 0 is argmax, which ignores the other fields
  int32_t top_k = 0;       // 0 is off, as is V or more
  double min_p = 0;        // [0, 1]: least probability, relative to the most likely token; 0 is off
  double top_p = 1;        // (0, 1]; 1 is off
};

// Throws Error with the field and its range.
inline void check(const SelectSpec& spec) {
  if (!(spec.temperature >= 0) || std::isinf(spec.temperature)) {
    fail("temperature: expected [0, inf), found ", spec.temperature);
  }
  if (spec.top_k < 0) fail("top_k: expected 0 or more, found ", spec.top_k);
  if (!(spec.min_p >= 0 && spec.min_p <= 1)) fail("min_p: expected [0, 1], found ", spec.min_p);
  if (!(spec.top_p > 0 && spec.top_p <= 1)) fail("top_p: expected (0, 1], found ", spec.top_p);
}

namespace detail {

inline constexpr size_t kBlock = 64;  // logits per block; the maximum of each block is kept

[[gnu::always_inline]] inline void block_maxima_loop(std::span<const float> logits, uint32_t* maxima) {
  for (size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const size_t count = std::min(kBlock, logits.size() - begin);
    uint32_t max = 0;
    for (size_t i = 0; i < count; ++i) max = std::max(max, order_key(logits[begin + i]));
    *maxima++ = max;
  }
}

[[gnu::always_inline]] inline void masses_loop(std::span<const uint64_t> ranks, float max, double temperature,
                                               uint64_t* masses) {
  for (size_t i = 0; i < ranks.size(); ++i) {
    masses[i] = mass_of(logit_of(static_cast<uint32_t>(ranks[i] >> 32)), max, temperature);
  }
}

// The same loops compiled for AVX2 and fused multiply-add, for processors that have them. The bits are the same,
// because std::fma is exact in software too.
#if defined(__x86_64__) && !defined(__CUDACC__)
[[gnu::target("avx2,fma")]] inline void block_maxima_avx2(std::span<const float> logits, uint32_t* maxima) {
  block_maxima_loop(logits, maxima);
}
[[gnu::target("avx2,fma")]] inline void masses_avx2(std::span<const uint64_t> ranks, float max, double temperature,
                                                    uint64_t* masses) {
  masses_loop(ranks, max, temperature, masses);
}
inline bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
inline void block_maxima(std::span<const float> logits, uint32_t* maxima) {
  has_avx2() ? block_maxima_avx2(logits, maxima) : block_maxima_loop(logits, maxima);
}
inline void masses(std::span<const uint64_t> ranks, float max, double temperature, uint64_t* out) {
  has_avx2() ? masses_avx2(ranks, max, temperature, out) : masses_loop(ranks, max, temperature, out);
}
#else
inline void block_maxima(std::span<const float> logits, uint32_t* maxima) { block_maxima_loop(logits, maxima); }
inline void masses(std::span<const uint64_t> ranks, float max, double temperature, uint64_t* out) {
  masses_loop(ranks, max, temperature, out);
}
#endif

struct Weighted {
  uint64_t rank, weight;
};

// Buckets of keys by their distance below the greatest key, nearest first. Every octave of the distance has 32 equal
// steps, so that buckets are narrow near the maximum, where the mass is, at any scale.
inline constexpr size_t kBuckets = 27 * 32 + 32;
inline size_t bucket_of(uint32_t distance) {
  const int octave = std::max(0, static_cast<int>(std::bit_width(distance)) - 6);
  return static_cast<size_t>(octave) * 32 + (distance >> octave);
}

// Narrows a search for the end of a prefix to one bucket: the one in which the running sum reaches target. Moves its
// items to the front and returns them, and adds the weight of all earlier buckets to `before`.
inline std::span<Weighted> crossing_bucket(std::span<Weighted> items, uint32_t max_key, uint64_t target,
                                           uint64_t& before) {
  const auto bucket = [max_key](const Weighted& item) {
    return bucket_of(max_key - static_cast<uint32_t>(item.rank >> 32));
  };
  uint64_t weights[kBuckets] = {};
  for (const Weighted& item : items) weights[bucket(item)] += item.weight;
  size_t crossing = 0;
  while (before + weights[crossing] < target) before += weights[crossing++];
  size_t count = 0;
  for (const Weighted& item : items) {
    items[count] = item;
    count += bucket(item) == crossing;
  }
  return items.first(count);
}

// The shortest non-empty prefix, in descending order of ranks, whose weights sum to at least target. Returns the rank
// of its last item, and the sum. max_key: the greatest key, whose item has a weight above 0. target: at most the sum of
// all weights. Expected linear time. Reorders items.
inline Weighted first_prefix(std::span<Weighted> items, uint32_t max_key, uint64_t target) {
  const auto earlier = [](const Weighted& a, const Weighted& b) { return a.rank > b.rank; };
  uint64_t before = 0;
  items = crossing_bucket(items, max_key, target, before);
  while (items.size() > 1) {
    const size_t middle = items.size() / 2;
    std::nth_element(items.begin(), items.begin() + static_cast<ptrdiff_t>(middle), items.end(), earlier);
    uint64_t half = 0;
    for (size_t i = 0; i < middle; ++i) half += items[i].weight;
    if (before + half >= target) {
      items = items.first(middle);
    } else {
      before += half;
      items = items.subspan(middle);
    }
  }
  return {items[0].rank, before + items[0].weight};
}

// Returns the first token, by ascending id, at which the running sum of the masses exceeds point. Only masses of rank
// `last` or earlier are summed.
inline int32_t token_at(std::span<const uint64_t> ranks, std::span<const uint64_t> masses, uint64_t last,
                        uint64_t point) {
  uint64_t sum = 0;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (ranks[i] >= last) sum += masses[i];
    if (sum > point) return id_of(ranks[i]);
  }
  return kNone;
}

}  // namespace detail

// Accessors for a sampler in host memory: a row's logits, the tokens before its choice, and where the choice is
// written.
inline std::span<float> logits_of(const LogitBatch& batch, int32_t row) {
  return {batch.logits + row * batch.stride, static_cast<size_t>(batch.vocab)};
}
inline std::span<const int32_t> history_of(const LogitBatch& batch, int32_t row) {
  return {batch.tokens + batch.keys[row].slot * batch.token_stride, static_cast<size_t>(batch.keys[row].position)};
}
inline int32_t& choice_of(const LogitBatch& batch, int32_t row) {
  return batch.tokens[batch.keys[row].slot * batch.token_stride + batch.keys[row].position];
}

// Scratch memory for selecting from rows of up to `vocab` logits. Each thread needs its own.
class SelectScratch {
 public:
  SelectScratch() = default;
  explicit SelectScratch(int32_t vocab) { prepare(vocab); }

  // Allocates for rows of `vocab` logits. Throws Error if vocab is not in [1, kMaxVocab].
  void prepare(int32_t vocab) {
    if (vocab < 1 || vocab > kMaxVocab) fail("vocabulary: expected 1 to ", kMaxVocab, " tokens, found ", vocab);
    const auto size = static_cast<size_t>(vocab);
    maxima_.resize((size + detail::kBlock - 1) / detail::kBlock);
    block_order_.resize(maxima_.size());
    ranks_.resize(size);
    masses_.resize(size);
    items_.resize(size);
  }

 private:
  friend int32_t select_nucleus(std::span<const float>, const SelectSpec&, uint64_t, uint64_t, int32_t, SelectScratch&);
  friend void keep_top_k(std::span<float>, int32_t, SelectScratch&);
  friend void keep_min_p(std::span<float>, double, double, SelectScratch&);

  // Returns the greatest key of the row, and fills maxima_ with that of each block. Throws Error for a row that is too
  // long or empty.
  uint32_t scan(std::span<const float> logits);
  // Fills ranks_ with all tokens that can be among the first top_k (all tokens if top_k is 0), by ascending id. Returns
  // their number.
  size_t gather(std::span<const float> logits, size_t top_k);
  // Keeps the first `count` by rank in ranks_, by ascending id. Returns their number.
  size_t keep_first(size_t size, size_t count, uint32_t max_key);

  std::vector<uint32_t> maxima_, block_order_;
  std::vector<uint64_t> ranks_, masses_;
  std::vector<detail::Weighted> items_;
};

inline uint32_t SelectScratch::scan(std::span<const float> logits) {
  if (logits.empty() || logits.size() > ranks_.size()) {
    fail("select: expected a row of 1 to ", ranks_.size(), " logits, found ", logits.size());
  }
  detail::block_maxima(logits, maxima_.data());
  const size_t blocks = (logits.size() + detail::kBlock - 1) / detail::kBlock;
  return *std::max_element(maxima_.begin(), maxima_.begin() + static_cast<ptrdiff_t>(blocks));
}

inline size_t SelectScratch::gather(std::span<const float> logits, size_t top_k) {
  const size_t blocks = (logits.size() + detail::kBlock - 1) / detail::kBlock;
  uint32_t least = 0;
  if (top_k > 0 && top_k <= blocks) {
    // Take the k-th greatest block maximum. At least k tokens reach it, so nothing below it is among the first k.
    const auto begin = block_order_.begin();
    std::copy_n(maxima_.begin(), blocks, begin);
    const auto kth = begin + static_cast<ptrdiff_t>(top_k) - 1;
    std::nth_element(begin, kth, begin + static_cast<ptrdiff_t>(blocks), std::greater<>());
    least = *kth;
  }
  size_t size = 0;
  for (size_t block = 0; block < blocks; ++block) {
    if (maxima_[block] < least) continue;
    const size_t end = std::min(logits.size(), (block + 1) * detail::kBlock);
    for (size_t id = block * detail::kBlock; id < end; ++id) {
      const uint32_t key = order_key(logits[id]);
      ranks_[size] = rank_of(key, static_cast<int32_t>(id));
      size += key >= least;
    }
  }
  return size;
}

inline size_t SelectScratch::keep_first(size_t size, size_t count, uint32_t max_key) {
  if (count >= size) return size;
  for (size_t i = 0; i < size; ++i) items_[i] = {ranks_[i], 1};
  const uint64_t last = detail::first_prefix({items_.data(), size}, max_key, count).rank;
  return static_cast<size_t>(std::copy_if(ranks_.begin(), ranks_.begin() + static_cast<ptrdiff_t>(size), ranks_.begin(),
                                          [last](uint64_t rank) { return rank >= last; }) -
                             ranks_.begin());
}

// Returns the token with the greatest logit, the lowest id among equals, or kNone as described above.
inline int32_t select_argmax(std::span<const float> logits) {
  uint64_t best = 0;
  for (size_t begin = 0; begin < logits.size(); begin += detail::kBlock) {
    uint32_t max = 0;
    const auto block = logits.subspan(begin, std::min(detail::kBlock, logits.size() - begin));
    detail::block_maxima(block, &max);
    if (max <= best >> 32) continue;
    size_t i = 0;
    while (order_key(block[i]) != max) ++i;
    best = rank_of(max, static_cast<int32_t>(begin + i));
  }
  return is_usable(static_cast<uint32_t>(best >> 32)) ? id_of(best) : kNone;
}

// Chooses the token at `position` of `sequence` from a row of logits. scratch: prepared for at least logits.size().
// Takes expected linear time and allocates nothing. Throws Error for a spec out of range or a row that scratch cannot
// hold.
inline int32_t select_nucleus(std::span<const float> logits, const SelectSpec& spec, uint64_t seed, uint64_t sequence,
                              int32_t position, SelectScratch& scratch) {
  check(spec);
  const uint32_t max = scratch.scan(logits);
  if (spec.temperature == 0) return select_argmax(logits);
  if (!is_usable(max)) return kNone;

  const auto top_k = static_cast<size_t>(spec.top_k);
  size_t size = scratch.gather(logits, top_k);
  if (top_k > 0) size = scratch.keep_first(size, top_k, max);
  const std::span<const uint64_t> ranks(scratch.ranks_.data(), size);
  const std::span<uint64_t> masses(scratch.masses_.data(), size);
  detail::masses(ranks, logit_of(max), spec.temperature, masses.data());

  const uint64_t least = least_mass(spec.min_p), top_p = fixed_top_p(spec.top_p);
  uint64_t kept = 0, last = 0;
  for (uint64_t& mass : masses) {
    mass = mass >= least ? mass : 0;
    kept += mass;
  }
  if (top_p != kKeepAll) {
    for (size_t i = 0; i < size; ++i) scratch.items_[i] = {ranks[i], masses[i]};
    const auto prefix = detail::first_prefix({scratch.items_.data(), size}, max, top_p_target(top_p, kept));
    kept = prefix.weight;
    last = prefix.rank;
  }
  return detail::token_at(ranks, masses, last, draw(seed, sequence, position, kept));
}

// The filters of select_nucleus as separate steps. A dropped token's logit becomes -infinity, and the others stay as
// they are, so that selecting from the result gives the same token as selecting with the filter included. A row that
// cannot be sampled is left unchanged, so that the selector reports it. Scratch and errors are as for select_nucleus.

// Keeps the first top_k tokens; 0 keeps all.
inline void keep_top_k(std::span<float> logits, int32_t top_k, SelectScratch& scratch) {
  check({.top_k = top_k});
  const uint32_t max = scratch.scan(logits);
  const auto count = static_cast<size_t>(top_k);
  if (!is_usable(max) || count == 0 || count >= logits.size()) return;
  const size_t kept = scratch.keep_first(scratch.gather(logits, count), count, max);
  size_t next = 0;
  for (size_t i = 0; i <= kept; ++i) {
    const size_t stays = i < kept ? static_cast<size_t>(id_of(scratch.ranks_[i])) : logits.size();
    std::fill(logits.begin() + static_cast<ptrdiff_t>(next), logits.begin() + static_cast<ptrdiff_t>(stays),
              -std::numeric_limits<float>::infinity());
    next = stays + 1;
  }
}

// Keeps the tokens whose probability at this temperature is at least min_p times the greatest; 0 keeps all. At
// temperature 0 it keeps only the tokens that have the greatest logit.
inline void keep_min_p(std::span<float> logits, double min_p, double temperature, SelectScratch& scratch) {
  check({.temperature = temperature, .min_p = min_p});
  const uint32_t max = scratch.scan(logits);
  const uint64_t least = least_mass(min_p);
  if (!is_usable(max) || least == 0) return;
  if (temperature > 0) {
    const size_t size = scratch.gather(logits, 0);
    detail::masses({scratch.ranks_.data(), size}, logit_of(max), temperature, scratch.masses_.data());
  }
  for (size_t id = 0; id < logits.size(); ++id) {
    const bool stays = temperature > 0 ? scratch.masses_[id] >= least : order_key(logits[id]) == max;
    if (!stays) logits[id] = -std::numeric_limits<float>::infinity();
  }
}

// The repetition penalty (Keskar et al. 2019, CTRL) for a token that has occurred before. A penalty above 1 makes it
// less likely.
GPT2RUN_HD inline float penalized(float logit, float penalty) { return logit > 0 ? logit / penalty : logit * penalty; }

}  // namespace gpt2run
