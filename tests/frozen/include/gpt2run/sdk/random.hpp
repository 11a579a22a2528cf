// A stateless random number generator: Philox4x32-10 (Salmon et al., 2011), a function from (key, counter) to 128 bits.
// The key is the seed and the counter is (position, sequence), so a draw never depends on a slot, a row or earlier
// draws. The same source compiles for the host and for CUDA, and gives the same bits on both.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define GPT2RUN_HD __host__ __device__ __attribute__((always_inline))
#else
#define GPT2RUN_HD [[gnu::always_inline]]
#endif

namespace gpt2run {

struct Philox {
  uint32_t x[4];
};

// One block of random bits, as published: ten rounds, with the multipliers and Weyl constants of the paper.
GPT2RUN_HD constexpr Philox philox4x32(Philox counter, uint32_t key0, uint32_t key1) {
  uint32_t(&x)[4] = counter.x;
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * x[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * x[2];
    const uint32_t x1 = x[1], x3 = x[3];
    x[0] = static_cast<uint32_t>(b >> 32) ^ x1 ^ key0;
    x[1] = static_cast<uint32_t>(b);
    x[2] = static_cast<uint32_t>(a >> 32) ^ x3 ^ key1;
    x[3] = static_cast<uint32_t>(a);
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// 64 uniform bits for the token at `position` of `sequence`. stream is the last word of the counter; a sampler that
// needs more bits for the same token counts it up from 0.
GPT2RUN_HD constexpr uint64_t random_bits(uint64_t seed, uint64_t sequence, int32_t position, uint32_t stream = 0) {
  const Philox block = philox4x32({{static_cast<uint32_t>(position), static_cast<uint32_t>(sequence),
                                    static_cast<uint32_t>(sequence >> 32), stream}},
                                  static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
  return uint64_t{block.x[0]} << 32 | block.x[1];
}

// The upper half of the 128-bit product, computed from 32-bit parts because 128-bit integers are not standard C++.
GPT2RUN_HD constexpr uint64_t mulhi(uint64_t a, uint64_t b) {
  const uint64_t a0 = a & 0xFFFFFFFF, a1 = a >> 32, b0 = b & 0xFFFFFFFF, b1 = b >> 32;
  const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
  const uint64_t carry = a0 * b1 + (middle & 0xFFFFFFFF);
  return a1 * b1 + (middle >> 32) + (carry >> 32);
}

}  // namespace gpt2run
