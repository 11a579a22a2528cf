// The steps of the selection taken alone, as samplers that only change logits take them.
#include <gtest/gtest.h>

#include <set>

#include "samplers/random_rows.hpp"
#include "samplers/sampling_reference.hpp"

namespace gpt2run::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> top_k(std::vector<float> row, int32_t k) {
  SelectScratch scratch(static_cast<int32_t>(row.size()));
  keep_top_k(row, k, scratch);
  return row;
}

std::vector<float> min_p(std::vector<float> row, double p, double temperature = 1) {
  SelectScratch scratch(static_cast<int32_t>(row.size()));
  keep_min_p(row, p, temperature, scratch);
  return row;
}

std::set<int32_t> left(const std::vector<float>& row) {
  std::set<int32_t> ids;
  for (size_t id = 0; id < row.size(); ++id)
    if (row[id] != -kInf) ids.insert(static_cast<int32_t>(id));
  return ids;
}

// The row with everything dropped but what the plain definition keeps.
std::vector<float> kept_of(const std::vector<float>& row, const SelectSpec& spec) {
  std::vector<float> kept(row.size(), -kInf);
  for (const Kept& token : kept_tokens(row, spec)) kept[token.id] = row[token.id];
  return kept;
}

// NaN is compared by its bits, and so are the zeros.
void expect_same_bits(const std::vector<float>& found, const std::vector<float>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0);
}

TEST(KeepTopK, KeepsTheLowestIdsOfTies) {
  EXPECT_EQ(left(top_k({1, 5, 5, 5, 0}, 2)), (std::set<int32_t>{1, 2}));
  EXPECT_EQ(left(top_k(std::vector<float>(100, -200), 3)), (std::set<int32_t>{0, 1, 2}));
  EXPECT_EQ(left(top_k({-0.0f, 0.0f, -1}, 1)), (std::set<int32_t>{0}));
  EXPECT_EQ(left(top_k({-1e4f, 1e4f, 0}, 1)), (std::set<int32_t>{1}));
}

TEST(KeepTopK, KeepsAllForZeroAndForMoreThanThereAre) {
  const std::vector<float> row = {3, -kInf, 1, 2};
  for (const int32_t k : {0, 4, 5, kMaxVocab}) expect_same_bits(top_k(row, k), row);
  EXPECT_EQ(left(top_k(row, 3)), (std::set<int32_t>{0, 2, 3}));
}

TEST(KeepMinP, KeepsWhatIsLikelyEnoughBesideTheGreatest) {
  const std::vector<float> row = {0, std::log(0.5f) + 1e-6f, std::log(0.5f) - 1e-6f, -100};
  EXPECT_EQ(left(min_p(row, 0.5)), (std::set<int32_t>{0, 1}));
  EXPECT_EQ(left(min_p(row, 0.5, 2)), (std::set<int32_t>{0, 1, 2}));
  EXPECT_EQ(left(min_p(row, 0.5, 0.5)), (std::set<int32_t>{0}));
  expect_same_bits(min_p(row, 0), row);
}

TEST(KeepMinP, OfOneKeepsTheGreatestAndItsEquals) {
  EXPECT_EQ(left(min_p({1, 7, 7, 6.999f}, 1)), (std::set<int32_t>{1, 2}));
  EXPECT_EQ(left(min_p(std::vector<float>(9, -200), 1)).size(), 9u);
  EXPECT_EQ(left(min_p({1, 7, 7, 6.999f}, 1e-9, 0)), (std::set<int32_t>{1, 2}));
  EXPECT_EQ(left(min_p({-1e4f, 1e4f, 0}, 1e-9)), (std::set<int32_t>{1}));
}

TEST(Keep, LeavesARowThatCannotBeSampledAsItIs) {
  for (const float broken : {kNan, -kNan, kInf}) {
    for (const size_t at : {0, 63, 64, 99}) {
      std::vector<float> row(100, 1.0f);
      row[7] = 2, row[8] = -kInf, row[at] = broken;
      expect_same_bits(top_k(row, 1), row);
      expect_same_bits(min_p(row, 1), row);
    }
  }
  const std::vector<float> nothing(70, -kInf);
  expect_same_bits(top_k(nothing, 2), nothing);
  expect_same_bits(min_p(nothing, 0.5), nothing);
}

TEST(Keep, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(top_k({1, 2}, -1), Error);
  EXPECT_THROW(min_p({1, 2}, 1.01), Error);
  EXPECT_THROW(min_p({1, 2}, kNan), Error);
  EXPECT_THROW(min_p({1, 2}, 0.5, -1), Error);
  std::vector<float> row(5);
  SelectScratch small(4);
  EXPECT_THROW(keep_top_k(row, 1, small), Error);
  EXPECT_THROW(keep_min_p(row, 0.5, 1, small), Error);
}

// Taken one after another the steps leave what the selection keeps, and the draw takes the same token.
TEST(Keep, StepByStepIsTheWholeSelection) {
  std::mt19937 bits(23);
  SelectScratch scratch(50257);
  for (int i = 0; i < 3000; ++i) {
    const size_t vocabs[] = {1, 2, 3, 48, 64, 65, 200, 1000, i % 200 ? size_t{700} : size_t{50257}};
    const std::vector<float> row = random_row(bits, vocabs[bits() % 9]);
    const SelectSpec spec = random_spec(bits, static_cast<int32_t>(row.size()));
    SCOPED_TRACE(testing::Message() << "row " << i << " of " << row.size() << ": temperature " << spec.temperature
                                    << " top_k " << spec.top_k << " min_p " << spec.min_p);
    std::vector<float> cut = row;
    keep_top_k(cut, spec.top_k, scratch);
    expect_same_bits(cut, kept_of(row, {.top_k = spec.top_k}));
    keep_min_p(cut, spec.min_p, spec.temperature, scratch);
    if (spec.temperature > 0) expect_same_bits(cut, kept_of(row, {spec.temperature, spec.top_k, spec.min_p, 1}));
    const uint64_t seed = bits(), sequence = bits();
    for (int32_t position = 0; position < 3; ++position) {
      const SelectSpec rest{.temperature = spec.temperature, .top_p = spec.top_p};
      ASSERT_EQ(select_nucleus(cut, rest, seed, sequence, position, scratch),
                select_nucleus(row, spec, seed, sequence, position, scratch));
    }
  }
}

TEST(Penalized, DividesAboveZeroAndMultipliesElsewhere) {
  EXPECT_EQ(penalized(3, 2), 1.5f);
  EXPECT_EQ(penalized(-3, 2), -6.0f);
  EXPECT_EQ(penalized(-3, 0.5f), -1.5f);
  EXPECT_EQ(penalized(0, 2), 0.0f);
  EXPECT_EQ(penalized(1e4f, 100), 100.0f);
  EXPECT_EQ(penalized(-200, 1), -200.0f);
  EXPECT_EQ(penalized(-kInf, 0.5f), -kInf);
  EXPECT_TRUE(std::isnan(penalized(kNan, 2)));
}

}  // namespace
}  // namespace gpt2run::test
