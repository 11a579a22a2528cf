// Direction of changes against a slow formulation of its own: the share counted by hand, its error from every batch of
// targets by itself, and the interval by a search for the probabilities that the test of the share does not reject.
#include "common/evaluation/direction.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace gpt2run {
namespace {

struct Target {
  bool changed;
  double gain;  // of the log-probability of the text's token
};

TokenMetrics series_of(const std::vector<Target>& targets) {
  TokenMetrics series;
  for (const Target& target : targets) {
    RowDivergence row{};
    row[Metric::top1_agreement] = target.changed ? 0 : 1;
    row[Metric::logprob_difference] = target.gain;
    row.test_token = target.changed ? 1 : 0;
    series.add({0, static_cast<int32_t>(series.size()), 0}, row);
  }
  return series;
}

// Targets that depend on their neighbours: changes come in runs, and so do gains.
std::vector<Target> text_of(int count, uint32_t seed) {
  std::vector<Target> targets;
  bool changed = false, better = false;
  for (int i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    if (seed >> 28 == 0) changed = !changed;
    if ((seed >> 20 & 15) < 3) better = !better;
    targets.push_back({changed, (better ? 1 : -1) * (1 + (seed >> 12 & 7) * 0.1)});
  }
  return targets;
}

// The squared standard error of the share by batch means, each batch summed anew.
double squared_error_of(const std::vector<Target>& targets, double share, double changed) {
  const auto n = targets.size(), b = static_cast<size_t>(std::floor(std::sqrt(double(n))));
  double sum = 0;
  for (size_t begin = 0; begin + b <= n; ++begin) {
    double rest = 0;
    for (size_t i = begin; i < begin + b; ++i)
      if (targets[i].changed) rest += (targets[i].gain > 0 ? 1 : 0) - share;
    sum += std::pow(rest / double(b) / (changed / double(n)), 2);
  }
  return double(b) / (double(n - b) * double(n - b + 1)) * sum;
}

// The end of the interval between the share and `far`: the probability p from which the share is exactly 1.96 standard
// deviations away, if m changes are drawn with it.
double end_of(double share, double m, double far) {
  double inside = share, outside = far;
  for (int i = 0; i < 200; ++i) {
    const double p = (inside + outside) / 2;
    const bool rejected = std::abs(share - p) > 1.959963984540054 * std::sqrt(p * (1 - p) / m);
    (rejected ? outside : inside) = p;
  }
  return inside;
}

TEST(Direction, IsBySlowFormulation) {
  for (const uint32_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    const std::vector<Target> targets = text_of(400 + static_cast<int>(seed), seed);
    double changed = 0, better = 0;
    for (const Target& target : targets) changed += target.changed, better += target.changed && target.gain > 0;
    const Direction found = direction_of(series_of(targets));
    ASSERT_GT(changed, 20);
    ASSERT_GT(better, 0);
    EXPECT_EQ(double(found.changed), changed);
    EXPECT_EQ(double(found.better), better);
    EXPECT_EQ(double(found.worse), changed - better);
    const double share = better / changed;
    EXPECT_DOUBLE_EQ(found.share, share);
    const double m = std::min(changed, share * (1 - share) / squared_error_of(targets, share, changed));
    EXPECT_LT(m, 0.75 * changed) << "neighbours depend on each other, so the changes count for less";
    EXPECT_NEAR(found.low, end_of(share, m, 0), 1e-9) << seed;
    EXPECT_NEAR(found.high, end_of(share, m, 1), 1e-9) << seed;
  }
}

TEST(Direction, IsApartFromSize) {
  const std::vector<Target> good = {{true, 1e-3}, {false, -9}, {true, 2}, {false, 0}, {true, 1}, {false, -1}};
  std::vector<Target> bad = good;
  for (Target& target : bad) target.gain = -target.gain;
  const Direction up = direction_of(series_of(good)), down = direction_of(series_of(bad));
  EXPECT_EQ(up.share, 1);
  EXPECT_EQ(down.share, 0);
  EXPECT_EQ(up.worse + down.better, 0);
  // Three changes of three: their number alone decides, 3 / (3 + 1.96^2).
  EXPECT_NEAR(up.low, 3 / (3 + std::pow(1.959963984540054, 2)), 1e-12);
  EXPECT_NEAR(up.high, 1, 1e-15);
  EXPECT_NEAR(down.high, 1 - up.low, 1e-12);
  EXPECT_NEAR(down.low, 0, 1e-15);
}

TEST(Direction, EqualProbabilitiesAreNeitherBetterNorWorse) {
  const Direction found = direction_of(series_of({{true, 0}, {true, 1}, {true, -1}, {true, -2}, {false, 3}}));
  EXPECT_EQ(found.changed, 4);
  EXPECT_EQ(found.better, 1);
  EXPECT_EQ(found.worse, 2);
  EXPECT_EQ(found.share, 0.25);
}

TEST(Direction, ImpossibleTokensHaveADirectionToo) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Direction found = direction_of(series_of({{true, -kInfinity}, {true, kInfinity}, {false, 0}, {false, 0}}));
  EXPECT_EQ(found.better, 1);
  EXPECT_EQ(found.worse, 1);
  EXPECT_GT(found.low, 0);
  EXPECT_LT(found.high, 1);
}

TEST(Direction, NothingChangedHasNoShare) {
  const Direction found = direction_of(series_of({{false, 1}, {false, -1}}));
  EXPECT_EQ(found.changed, 0);
  EXPECT_TRUE(std::isnan(found.share));
  EXPECT_TRUE(std::isnan(found.low));
  EXPECT_TRUE(std::isnan(found.high));
}

}  // namespace
}  // namespace gpt2run
