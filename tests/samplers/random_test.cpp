// Philox against its published known answers, and the 64-bit product.
#include "gpt2run/sdk/random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gpt2run {
namespace {

struct KnownAnswer {
  Philox counter;
  uint32_t key0, key1;
  Philox expected;
};

TEST(Philox, GivesThePublishedAnswers) {
  // Random123, kat_vectors: philox4x32, 10 rounds.
  const KnownAnswer answers[] = {
      {{{0, 0, 0, 0}}, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
       0xffffffff,
       0xffffffff,
       {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
      {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
       0xa4093822,
       0x299f31d0,
       {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
  };
  for (const KnownAnswer& answer : answers) {
    const Philox block = philox4x32(answer.counter, answer.key0, answer.key1);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(block.x[i], answer.expected.x[i]) << "word " << i;
  }
}

TEST(Philox, IsKnownWhileCompiling) {
  static_assert(random_bits(0, 0, 0) == 0x6627e8d5e169c58d);
  static_assert(random_bits(0xa4093822299f31d0, 0, 0) != random_bits(0x299f31d0a4093822, 0, 0));
}

TEST(RandomBits, UseEveryBitOfSeedSequenceAndPosition) {
  std::set<uint64_t> seen = {random_bits(0, 0, 0)};
  for (int bit = 0; bit < 64; ++bit) {
    seen.insert(random_bits(uint64_t{1} << bit, 0, 0));
    seen.insert(random_bits(0, uint64_t{1} << bit, 0));
  }
  for (int bit = 0; bit < 31; ++bit) seen.insert(random_bits(0, 0, 1 << bit));
  seen.insert(random_bits(0, 0, 0, 1));
  EXPECT_EQ(seen.size(), 1u + 64 + 64 + 31 + 1);
}

TEST(Mulhi, IsTheUpperHalfOfTheProduct) {
  uint64_t a = ~uint64_t{0}, b = ~uint64_t{0};
  for (int i = 0; i < 10000; ++i) {
    ASSERT_EQ(mulhi(a, b), static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64)) << a << " x " << b;
    a = random_bits(1, 0, i) >> (i % 64);
    b = random_bits(2, 0, i) >> (i / 64 % 64);
  }
}

}  // namespace
}  // namespace gpt2run
