// Drawn tokens against known distributions: chi-square over fixed seeds, so that a pass is a pass for ever.
#include "samplers/distribution.hpp"

#include <gtest/gtest.h>

namespace gpt2run::test {
namespace {

void expect_distribution(const std::vector<float>& row, const SelectSpec& spec, int draws) {
  SelectScratch scratch(static_cast<int32_t>(row.size()));
  std::vector<int> by_position(row.size()), by_sequence(row.size());
  for (int i = 0; i < draws; ++i) {
    ++by_position[select_nucleus(row, spec, 42, 0, i, scratch)];
    ++by_sequence[select_nucleus(row, spec, 42, i, 5, scratch)];
  }
  const std::vector<double> expected = expected_distribution(row, spec);
  EXPECT_GT(p_value(expected, by_position), 1e-6) << "V " << row.size() << " top_k " << spec.top_k;
  EXPECT_GT(p_value(expected, by_sequence), 1e-6) << "V " << row.size() << " top_k " << spec.top_k;
}

TEST(ChiSquare, TailHasItsTabulatedValues) {
  EXPECT_NEAR(chi_square_tail(3.841459, 1), 0.05, 1e-6);
  EXPECT_NEAR(chi_square_tail(18.307038, 10), 0.05, 1e-6);
  EXPECT_NEAR(chi_square_tail(149.449, 100), 0.001, 1e-6);
  EXPECT_NEAR(chi_square_tail(2, 2), std::exp(-1.0), 1e-12);
  EXPECT_NEAR(chi_square_tail(60, 2), std::exp(-30.0), 1e-24);
}

TEST(ChiSquare, SeesAWrongDistribution) {
  EXPECT_GT(p_value({0.5, 0.5}, {5050, 4950}), 0.1);
  EXPECT_LT(p_value({0.5, 0.5}, {5300, 4700}), 1e-6);
  EXPECT_EQ(p_value({1, 0}, {999, 1}), 0);
}

TEST(Distribution, IsTheSoftmaxOfSmallRows) {
  expect_distribution({0.0f, std::log(3.0f)}, {}, 100000);
  expect_distribution({1, 2, 3}, {.temperature = 0.5}, 100000);
  expect_distribution(std::vector<float>(48, -200.0f), {}, 100000);
}

TEST(Distribution, IsTheSoftmaxOfWhatIsKept) {
  const std::vector<float> row = normal_row(48, 2);
  const SelectSpec specs[] = {
      {}, {.temperature = 0.7}, {.temperature = 3}, {.top_k = 5}, {.top_p = 0.7}, {.min_p = 0.1}, {2, 20, 0.05, 0.9}};
  for (const SelectSpec& spec : specs) expect_distribution(row, spec, 30000);
}

TEST(Distribution, HoldsForTheVocabularyOfGpt2) {
  const std::vector<float> row = normal_row(50257, 4);
  expect_distribution(row, {1, 10, 0, 0.8}, 2000);
  expect_distribution(row, {1, 50, 0, 1}, 2000);
  expect_distribution(row, {1, 0, 0, 1}, 200);
}

// Pairs of neighbours must be as frequent as independence makes them.
TEST(Distribution, NeighboursAreIndependent) {
  const std::vector<float> row(4, 0.0f);
  SelectScratch scratch(4);
  const auto token = [&](uint64_t seed, uint64_t sequence, int32_t position) {
    return select_nucleus(row, {}, seed, sequence, position, scratch);
  };
  std::vector<int> positions(16), sequences(16), seeds(16);
  for (int i = 0; i < 100000; ++i) {
    ++positions[4 * token(42, 3, i) + token(42, 3, i + 1)];
    ++sequences[4 * token(42, i, 9) + token(42, i + 1, 9)];
    ++seeds[4 * token(i, 3, 9) + token(i + 1, 3, 9)];
  }
  const std::vector<double> uniform(16, 1.0 / 16);
  EXPECT_GT(p_value(uniform, positions), 1e-6);
  EXPECT_GT(p_value(uniform, sequences), 1e-6);
  EXPECT_GT(p_value(uniform, seeds), 1e-6);
}

}  // namespace
}  // namespace gpt2run::test
