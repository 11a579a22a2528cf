// Log-probabilities against sums in long double, and the order of the most likely tokens.
#include "gpt2run/sdk/log_softmax.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

namespace gpt2run::test {
namespace {

TEST(LogSoftmax, IsWhatTheDefinitionSays) {
  for (const float shift : {0.f, 300.f, -300.f}) {
    const std::vector<float> logits = {1 + shift, 3 + shift, -2 + shift, -1e4f, 2.5f + shift};
    long double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<long double>(logit - shift));
    const auto vocab = static_cast<int>(logits.size());
    for (int32_t id = 0; id < vocab; ++id) {
      const long double expected = static_cast<long double>(logits[id] - shift) - std::log(sum);
      // One rounding of a difference of at most 1e4 + 300, and few of numbers below 10.
      EXPECT_NEAR(log_probability(logits.data(), vocab, id), static_cast<double>(expected), 1e-11) << id;
    }
  }
}

TEST(LogSoftmax, ADroppedTokenHasNoProbabilityAndNanSpoilsAll) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float dropped[] = {-infinity, 0, 0};
  EXPECT_EQ(log_probability(dropped, 3, 0), -double{infinity});
  EXPECT_NEAR(log_probability(dropped, 3, 1), -std::log(2.), 1e-15);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), infinity}) {
    const float row[] = {1, bad, 2};
    for (int32_t id = 0; id < 3; ++id) EXPECT_TRUE(std::isnan(log_probability(row, 3, id))) << bad << " " << id;
  }
}

TEST(Likeliest, EqualOnesStandByIdAndBothZerosAreEqual) {
  const float logits[] = {0.f, 2, -0.f, 2, -1, 0.f, 3};
  EXPECT_EQ(most_likely(logits, 7), (std::vector<int32_t>{6, 1, 3, 0, 2, 5, 4}));
  EXPECT_EQ(most_likely(logits, 3), (std::vector<int32_t>{6, 1, 3}));
  EXPECT_EQ(most_likely(logits, 99), most_likely(logits, 7));
  EXPECT_TRUE(most_likely(logits, 0).empty());
  EXPECT_TRUE(most_likely({}, 5).empty());
}

TEST(Likeliest, LongRowsAreOrderedAsAWholeSortOrdersThem) {
  uint32_t state = 1;
  for (const size_t size : {63, 64, 65, 1000, 5000}) {
    std::vector<float> logits(size);
    for (float& logit : logits) {
      state = state * 1664525 + 1013904223;
      logit = static_cast<float>(state >> 24) / 16 - 8;  // many are equal
    }
    logits[size / 2] = -std::numeric_limits<float>::infinity();
    std::vector<int32_t> ids(size);
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    for (const size_t count : {1, 2, 16, 17, 63, 5000}) {
      const auto first = ids.begin() + static_cast<std::ptrdiff_t>(std::min(count, size));
      EXPECT_EQ(most_likely(logits, static_cast<int32_t>(count)), std::vector<int32_t>(ids.begin(), first)) << size;
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
