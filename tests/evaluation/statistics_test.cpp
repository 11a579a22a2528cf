// Standard errors of a mean: by independent draws and by batch means, against NumPy and a series whose error is known.
#include "gpt2run/evaluation/statistics.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "gpt2run/sdk/random.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;

TEST(Statistics, StandardErrorsAreThoseOfNumpy) {
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/evaluation/statistics.json"));
  ASSERT_GE(golden.at("cases").size(), 8u);
  for (const json& one : golden.at("cases")) {
    const std::vector<double> values = one.at("values");
    // Sums of fewer than 100 squares of size 10: 100 x 10 x 2^-53 of them, and as much for NumPy's.
    EXPECT_NEAR(standard_error_of(values), one.at("independent").get<double>(), 1e-12) << one.at("about");
    EXPECT_NEAR(batch_standard_error_of(values), one.at("batch").get<double>(), 1e-12) << one.at("about");
  }
}

TEST(Statistics, FewValuesHaveNoErrorOrThatOfIndependentOnes) {
  const std::vector<double> values = {1, 4, -2}, broken = {1, NAN, 2, 3, 4, 5, 6};
  EXPECT_TRUE(std::isnan(batch_standard_error_of({})));
  EXPECT_TRUE(std::isnan(batch_standard_error_of(std::span(values).first(1))));
  EXPECT_DOUBLE_EQ(batch_standard_error_of(values), standard_error_of(values));
  EXPECT_TRUE(std::isnan(batch_standard_error_of(broken)));
  const std::vector<double> infinite = {1, INFINITY, 2, 3, 4, 5};
  EXPECT_TRUE(std::isnan(batch_standard_error_of(infinite)));
}

// x_i = r x_{i-1} + e_i, e_i even in (-1/2, 1/2), x_0 = e_0 / sqrt(1 - r^2), so that all x have one variance g.
std::vector<double> dependent_series(uint64_t seed, size_t count, double r) {
  std::vector<double> values;
  for (size_t i = 0; i < count; ++i) {
    const double e = static_cast<double>(random_bits(seed, 0, static_cast<uint32_t>(i)) >> 11) * 0x1p-53 - 0.5;
    values.push_back(i == 0 ? e / std::sqrt(1 - r * r) : r * values.back() + e);
  }
  return values;
}

// The covariance of x_i and x_{i+k} is g r^k with g = (1/12) / (1 - r^2), so that the variance of the mean of n is
// g / n (1 + 2 sum_k (1 - k / n) r^k), about g / n (1 + r) / (1 - r).
TEST(Statistics, BatchMeansSeeThatNeighboursDepend) {
  constexpr size_t kCount = 4096, kSeries = 100;
  constexpr double kBatch = 64, r = 0.5;  // kBatch: sqrt(kCount)
  double sum = 1;
  for (size_t k = 1; k < kCount; ++k) sum += 2 * (1 - double(k) / kCount) * std::pow(r, k);
  const double variance = 1 / 12. / (1 - r * r), right = variance / kCount * sum;
  double batches = 0, independent = 0;
  for (size_t s = 0; s < kSeries; ++s) {
    const std::vector<double> values = dependent_series(s, kCount, r);
    batches += std::pow(batch_standard_error_of(values), 2) / kSeries;
    independent += std::pow(standard_error_of(values), 2) / kSeries;
  }
  // A batch misses what reaches beyond it, 2 r / (1 - r^2) / b of the whole, and its own share of the mean, b / n. The
  // estimate of one series scatters by sqrt(4 b / 3 n) of itself; five times that over the root of their number.
  const double missed = 2 * r / (1 - r * r) / kBatch, share = kBatch / kCount;
  const double scatter = 5 * std::sqrt(4 * share / 3 / kSeries);
  EXPECT_NEAR(batches / right, 1 - missed, share + scatter);
  // The other one takes g / n for it: (1 - r) / (1 + r), a third. It scatters by less.
  EXPECT_NEAR(independent / right, (1 - r) / (1 + r), scatter);
}

// Without dependence both are right.
TEST(Statistics, BatchMeansOfIndependentValuesAreNoLarger) {
  constexpr size_t kCount = 4096, kSeries = 100;
  double ratio = 0;
  for (size_t s = 0; s < kSeries; ++s) {
    const std::vector<double> values = dependent_series(s, kCount, 0);
    ratio += std::pow(batch_standard_error_of(values) / standard_error_of(values), 2) / kSeries;
  }
  EXPECT_NEAR(ratio, 1, 64. / kCount + 5 * std::sqrt(4 * 64. / kCount / 3 / kSeries));
}

}  // namespace
}  // namespace gpt2run
