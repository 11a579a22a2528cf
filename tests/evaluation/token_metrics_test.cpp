// What is made of many targets: ranks, buckets, histograms, and values that are infinite.
#include "common/evaluation/token_metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gpt2run/evaluation/statistics.hpp"

namespace gpt2run {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TokenMetrics series_of(const std::vector<double>& values, double entropy_step = 0.4) {
  TokenMetrics series;
  for (size_t i = 0; i < values.size(); ++i) {
    RowDivergence row{};
    row.values.fill(values[i]);
    row.entropy = static_cast<double>(i) * entropy_step;
    row.test_token = i % 10 == 3 ? 1 : 0;
    row.margin = static_cast<double>(i);
    series.add({0, static_cast<int32_t>(i) + 5, static_cast<int32_t>(i)}, row);
  }
  return series;
}

TEST(TokenMetrics, DistributionIsByItsDefinitions) {
  std::vector<double> values;
  for (int i = 0; i < 1001; ++i) values.push_back((i * 367 % 1001) / 1000.);  // 0 to 1 in another order
  const Distribution found = distribution_of(series_of(values), Metric::kl_ref_test);
  EXPECT_NEAR(found.mean, 0.5, 1e-12);
  // Of the whole numbers 0 to n - 1 the variance with n - 1 below is n (n + 1) / 12.
  EXPECT_NEAR(found.standard_error, std::sqrt(1001. * 1002 / 12 / 1001) / 1000, 1e-12);
  EXPECT_EQ(found.batch_standard_error, batch_standard_error_of(values));
  EXPECT_DOUBLE_EQ(found.median(), 0.5);
  for (size_t i = 0; i < std::size(kPercentiles); ++i) EXPECT_NEAR(found.percentiles[i], kPercentiles[i] / 100, 1e-12);
  EXPECT_EQ(found.extreme, 1);
  EXPECT_EQ(values[found.extreme_index], 1);
  EXPECT_EQ(distribution_of(series_of({1, 0.25, 0.5}), Metric::cosine).extreme, 0.25);  // equal rows have 1
  EXPECT_EQ(distribution_of(series_of({1, -3, 2}), Metric::logprob_difference).extreme, -3);
}

TEST(TokenMetrics, InfiniteValuesStayInfinite) {
  const Distribution found = distribution_of(series_of({1, kInfinity, 2, kInfinity, 3}), Metric::kl_ref_test);
  EXPECT_EQ(found.mean, kInfinity);
  EXPECT_EQ(found.median(), 3);
  EXPECT_EQ(found.percentiles[8], kInfinity);
  EXPECT_EQ(found.extreme_index, 1u);
  EXPECT_TRUE(std::isnan(found.standard_error));
  EXPECT_TRUE(std::isnan(distribution_of(series_of({1}), Metric::js).standard_error));
}

TEST(TokenMetrics, EveryTargetIsInOneBucket) {
  const TokenMetrics series = series_of(std::vector<double>(1024, 2.));
  int64_t count = 0;
  const std::vector<Bucket> positions = by_position(series);
  ASSERT_EQ(positions.size(), 16u);
  for (const Bucket& bucket : positions) {
    EXPECT_EQ(bucket.to - bucket.from, 64);
    EXPECT_EQ(bucket.count, 64);
    EXPECT_EQ(bucket.means[0], 2);
  }
  EXPECT_EQ(by_position(series_of(std::vector<double>(17))).size(), 2u);
  for (const Bucket& bucket : by_entropy(series_of(std::vector<double>(30)))) {
    EXPECT_LT(bucket.from, bucket.to);
    count += bucket.count;
  }
  EXPECT_EQ(count, 30);
  const std::vector<Bucket> entropies = by_entropy(series_of({1, 2, 4, 6, 8}));  // entropies 0, 0.4, 0.8, 1.2, 1.6
  ASSERT_EQ(entropies.size(), 3u);
  EXPECT_EQ(entropies[0].means[0], 1.5);
  EXPECT_EQ(entropies[1].means[0], 4);
  EXPECT_EQ(entropies[2].means[0], 7);
}

TEST(TokenMetrics, EveryValueIsInTheHistogramOnce) {
  std::vector<double> values = {0, kInfinity, 1e-30, 1e-8, 1e-8, 1e5};
  for (int i = -19 * 4; i < 3 * 4; ++i) values.push_back(std::pow(10., i / 4.));  // on the edges
  const Histogram found = histogram_of(series_of(values), Metric::kl_ref_test);
  ASSERT_EQ(found.edges.size(), found.counts.size() + 1);
  int64_t count = found.below + found.above;
  for (size_t i = 0; i < found.counts.size(); ++i) {
    const auto inside = [&](double value) { return value >= found.edges[i] && value < found.edges[i + 1]; };
    EXPECT_EQ(found.counts[i], std::count_if(values.begin(), values.end(), inside)) << found.edges[i];
    count += found.counts[i];
  }
  EXPECT_EQ(count, std::ssize(values));
  EXPECT_EQ(found.below, 2);
  EXPECT_EQ(found.above, 2);
  EXPECT_TRUE(histogram_of(series_of({0, 0}), Metric::js).counts.empty());
}

TEST(TokenMetrics, FlipsKeepTheMargin) {
  const TokenMetrics series = series_of(std::vector<double>(30));
  ASSERT_EQ(series.flips.size(), 3u);
  EXPECT_EQ(series.flips[1].margin, 13);
  EXPECT_EQ(series.flips[1].place.position, 18);
}

}  // namespace
}  // namespace gpt2run
