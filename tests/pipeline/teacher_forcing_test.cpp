// Texts as they stand: what every position holds of its next token, whole and in chunks, on the host and on a device.
#include "gpt2run/evaluation/teacher_forcing.hpp"

#include <gtest/gtest.h>

#include "gpt2run/evaluation/statistics.hpp"
#include "support/exact_ops.hpp"
#include "support/fake_device.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

const std::vector<int32_t> kText = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9};

class ForcedTest : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<Session> open(int chunk, size_t longest = kText.size()) {
    const auto ops = std::make_shared<ExactOps>();
    const Limits limits = teacher_forcing_limits(static_cast<int32_t>(longest), chunk);
    if (GetParam()) return std::make_unique<FakeSession<ExactOps>>(ops, checkpoint, limits);
    return std::make_unique<HostSession<ExactOps>>(ops, checkpoint, limits, Traits{});
  }

  TinyCheckpoint checkpoint;
};

// The definition, a network run of its own for every target.
float logprob_of(const Checkpoint& checkpoint, size_t target) {
  HostSession<ExactOps> session(std::make_shared<ExactOps>(), checkpoint, teacher_forcing_limits(40, 40), Traits{});
  std::vector<Row> rows;
  for (size_t i = 0; i < target; ++i) rows.push_back({0, kText[i], i + 1 == target});
  const LogitBatch batch = session.step(rows);
  return static_cast<float>(log_probability(batch.logits, batch.vocab, kText[target]));
}

TEST_P(ForcedTest, EveryTargetIsScoredOnceWhateverTheChunk) {
  for (const int first : {1, 5, 12}) {
    for (const int chunk : {1, 3, 4, 12, 50}) {
      const auto session = open(chunk);
      const std::vector<float> scores = TeacherForcing(*session, chunk).logprobs(kText, first);
      ASSERT_EQ(scores.size(), kText.size() - first);
      for (size_t i = 0; i < scores.size(); ++i)
        ASSERT_EQ(scores[i], logprob_of(checkpoint, first + i)) << "target " << first + i << ", chunk " << chunk;
    }
  }
}

TEST_P(ForcedTest, RowsAreTheLogitsBeforeEachTarget) {
  const auto session = open(5);
  TeacherForcing forced(*session, 5);
  for (int again = 0; again < 2; ++again) {  // a slot is used again
    forced.begin(kText, 4);
    int next = 4;
    for (TargetRows rows; forced.next(rows); next += rows.rows) {
      ASSERT_EQ(rows.position, next);
      for (int r = 0; r < rows.rows; ++r) {
        const double found = log_probability(rows.logits + r * rows.stride, 23, kText[next + r]);
        ASSERT_EQ(static_cast<float>(found), logprob_of(checkpoint, next + r));
      }
    }
    EXPECT_EQ(next, 13);
  }
}

// Texts of other lengths before and behind, which change nothing: every operation here computes its rows one by one.
TEST(TeacherForcing, NeighboursAreFedAndNotHeard) {
  const TinyCheckpoint checkpoint;
  const std::vector<int32_t> longer(kText.rbegin(), kText.rend()), shorter = {7, 7, 2, 8};
  const auto ops = std::make_shared<ExactOps>();
  for (const int chunk : {1, 5, 12}) {
    const Limits limits = teacher_forcing_limits(static_cast<int32_t>(kText.size()), chunk, 0, 0, 3);
    HostSession<ExactOps> session(ops, checkpoint, limits, Traits{});
    for (const int slot : {0, 1, 2}) {
      TeacherForcing forced(session, chunk, slot);
      forced.surround({longer, shorter});
      const std::vector<float> scores = forced.logprobs(kText, 3);
      for (size_t i = 0; i < scores.size(); ++i) ASSERT_EQ(scores[i], logprob_of(checkpoint, 3 + i)) << slot << chunk;
      const LogitBatch layout = session.layout();
      for (const auto& [text, at] : {std::pair(&longer, slot == 0 ? 1 : 0), std::pair(&shorter, slot == 2 ? 1 : 2)})
        for (size_t i = 0; i + 1 < text->size(); ++i)
          ASSERT_EQ(layout.tokens[at * layout.token_stride + i], (*text)[i]) << slot << " " << at;
    }
    TeacherForcing alone(session, chunk);
    EXPECT_THROW(alone.surround({shorter, std::span(shorter).first(1)}), Error);
    alone.surround({shorter, shorter, shorter});
    EXPECT_THROW(alone.begin(kText, 1), Error);
  }
}

TEST_P(ForcedTest, WhatCannotBeWalkedIsNamed) {
  const auto session = open(4, 6);
  TeacherForcing forced(*session, 4);
  const std::vector<int32_t> one = {1}, strange = {1, 23};
  EXPECT_THROW(forced.begin(one, 1), Error);
  EXPECT_THROW(forced.begin(strange, 1), Error);
  EXPECT_THROW(forced.begin(kText, 1), Error);
  EXPECT_THROW(forced.begin(std::span(kText).first(6), 6), Error);
  EXPECT_EQ(forced.logprobs(std::span(kText).first(6), 1).size(), 5);
}

INSTANTIATE_TEST_SUITE_P(All, ForcedTest, testing::Bool(),
                         [](const auto& device) { return device.param ? "device" : "host"; });

TEST(Statistics, AreThoseOfNumpy) {
  const std::vector<double> values = {3, -1, 4, 1.5};
  EXPECT_DOUBLE_EQ(mean_of(values), 1.875);
  EXPECT_NEAR(standard_deviation_of(values), 2.174664725116648, 1e-14);  // 2^-52 times a few sums of size 10
  EXPECT_NEAR(standard_error_of(values), 1.087332362558324, 1e-14);
  const std::vector<double> ascending = sorted(values);
  EXPECT_DOUBLE_EQ(quantile_of(ascending, 0.5), 2.25);
  EXPECT_DOUBLE_EQ(quantile_of(ascending, 0.9), 3.7);
  EXPECT_DOUBLE_EQ(quantile_of(ascending, 1), 4);
  const std::vector<double> broken = {1, NAN, 2};
  EXPECT_TRUE(std::isnan(quantile_of(sorted(broken), 0)));
  EXPECT_TRUE(std::isnan(mean_of({})));
  EXPECT_TRUE(std::isnan(standard_error_of(std::span(values).first(1))));
}

}  // namespace
}  // namespace gpt2run::test
