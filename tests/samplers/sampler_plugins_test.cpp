// The built samplers behind the plugin contract: batches of rows, tokens at their places, the same draw anywhere.
#include <gtest/gtest.h>

#include "samplers/sampler_batch.hpp"
#include "samplers/sampling_reference.hpp"

namespace gpt2run::test {
namespace {

TEST(Nucleus, FollowsItsOptionsAndKeysInEveryRow) {
  Batch batch(300);
  const Batch::Whose keys[] = {{9, 3, 17}, {0, 0, 1}, {uint64_t{1} << 40, 5, 40}, {9, 1, 18}};
  for (uint32_t i = 0; i < std::size(keys); ++i) batch.add(row_of(300, i), keys[i]);
  const std::vector<float> before = batch.logits;
  sampler("nucleus", {{"temp", "0.9"}, {"top_k", "30"}, {"top_p", "0.7"}, {"min_p", "0.2"}}, batch)
      ->sample(batch.view());
  for (uint32_t i = 0; i < std::size(keys); ++i) {
    EXPECT_EQ(batch.chosen(i),
              sample_reference(row_of(300, i), {0.9, 30, 0.2, 0.7}, 1234, keys[i].sequence, keys[i].position));
  }
  EXPECT_EQ(batch.logits, before) << "a selector changes no logits";
  EXPECT_EQ(std::count(batch.tokens.begin(), batch.tokens.end(), kUntouched), batch.tokens.size() - 4);
}

TEST(Nucleus, HasTheDefaultsOfTheOriginal) {
  Batch batch(300);
  const std::vector<float> row = row_of(300, 1);
  for (int32_t position = 0; position < kContext; ++position) batch.add(row, {4, 2, position});
  sampler("nucleus", {}, batch)->sample(batch.view());
  for (int32_t position = 0; position < kContext; ++position) {
    EXPECT_EQ(batch.chosen(position), sample_reference(row, {1, 10, 0, 0.8}, 1234, 4, position));
  }
}

TEST(Nucleus, DrawsTheSameTokenInAnyRowSlotAndCompany) {
  const std::vector<float> row = row_of(500, 3);
  Batch alone(500);
  alone.add(row, {77, 0, 20});
  auto nucleus = sampler("nucleus", {{"top_k", "0"}, {"top_p", "1"}}, alone);
  nucleus->sample(alone.view());
  for (int32_t slot = 0; slot < kSlots; ++slot) {
    Batch crowd(500);
    for (int32_t other = 0; other < kSlots; ++other) {
      if (other == slot) crowd.add(row, {77, slot, 20});
      if (other != slot) crowd.add(row_of(500, 100 + other), {uint64_t(other), other, 3});
    }
    nucleus->sample(crowd.view());
    EXPECT_EQ(crowd.chosen(slot), alone.chosen(0)) << "slot " << slot;
  }
}

TEST(Nucleus, TemperatureZeroAndTopKOneAreArgmax) {
  Batch batch(48);
  for (int32_t slot = 0; slot < kSlots; ++slot) batch.add(row_of(48, slot), {uint64_t(slot), slot, 9});
  Batch cold = batch, one = batch, greedy = batch;
  sampler("nucleus", {{"temp", "0"}}, batch)->sample(cold.view());
  sampler("nucleus", {{"top_k", "1"}}, batch)->sample(one.view());
  sampler("argmax", {}, batch)->sample(greedy.view());
  for (int32_t slot = 0; slot < kSlots; ++slot) {
    const std::vector<float> row = row_of(48, slot);
    const auto first = std::max_element(row.begin(), row.end()) - row.begin();
    EXPECT_EQ(greedy.chosen(slot), first);
    EXPECT_EQ(cold.chosen(slot), first);
    EXPECT_EQ(one.chosen(slot), first);
  }
}

TEST(Samplers, ReportARowThatCannotBeSampled) {
  for (const char* name : {"argmax", "mirostat", "nucleus"}) {
    Batch batch(48);
    std::vector<float> broken = row_of(48, 1);
    broken[31] = std::numeric_limits<float>::quiet_NaN();
    batch.add(row_of(48, 2), {0, 0, 4});
    batch.add(broken, {1, 1, 4});
    batch.add(std::vector<float>(48, -INFINITY), {2, 2, 4});
    sampler(name, {}, batch)->sample(batch.view());
    EXPECT_GE(batch.chosen(0), 0) << name;
    EXPECT_EQ(batch.chosen(1), kNone) << name;
    EXPECT_EQ(batch.chosen(2), kNone) << name;
  }
}

TEST(Nucleus, RefusesAVocabularyThatItsSumsCannotHold) {
  Batch batch(1);
  batch.vocab = kMaxVocab + 1;
  EXPECT_THROW(sampler("nucleus", {}, batch), Error);
}

TEST(Samplers, DescribeThemselves) {
  for (const char* name : {"argmax", "mirostat", "nucleus"}) {
    const Plugin& plugin = load_sampler(name);
    EXPECT_EQ(plugin.abi, kAbi);
    EXPECT_STREQ(plugin.name, name);
    EXPECT_TRUE(plugin.selects);
    EXPECT_GT(plugin.probe().score, 0);
  }
}

}  // namespace
}  // namespace gpt2run::test
