// The samplers that look at the tokens so far or at single tokens: frequency-penalty, presence-penalty,
// no-repeat-ngram, logit-bias and min-tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "samplers/links.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {
namespace {

using testing::HasSubstr;

std::vector<float> penalized_row(const char* name, const OptionValues& options, const std::vector<int32_t>& history,
                                 int32_t prompt) {
  return changed({{name, options}}, {8, -8, 8, 0, -kInf}, history, prompt);
}

TEST(FrequencyPenalty, SubtractsForEachTimeThatATokenWasChosen) {
  const std::vector<int32_t> history = {3, 3, 0, 1, 0, 4, 0};
  EXPECT_EQ(penalized_row("frequency-penalty", {{"penalty", "1.5"}}, history, 2),
            (std::vector<float>{3.5f, -9.5f, 8, 0, -kInf}));
  EXPECT_EQ(penalized_row("frequency-penalty", {}, history, 3), (std::vector<float>{7, -8.5f, 8, 0, -kInf}));
  EXPECT_EQ(penalized_row("frequency-penalty", {{"penalty", "-2"}}, history, 2),
            (std::vector<float>{14, -6, 8, 0, -kInf}));
  EXPECT_EQ(penalized_row("frequency-penalty", {{"penalty", "0"}}, history, 2),
            (std::vector<float>{8, -8, 8, 0, -kInf}));
  EXPECT_EQ(penalized_row("frequency-penalty", {}, history, 7), (std::vector<float>{8, -8, 8, 0, -kInf}))
      << "nothing was chosen yet";
}

TEST(PresencePenalty, SubtractsOnce) {
  const std::vector<int32_t> history = {3, 3, 0, 1, 0, 4, 0};
  EXPECT_EQ(penalized_row("presence-penalty", {{"penalty", "1.5"}}, history, 2),
            (std::vector<float>{6.5f, -9.5f, 8, 0, -kInf}));
  EXPECT_EQ(penalized_row("presence-penalty", {}, history, 7), (std::vector<float>{8, -8, 8, 0, -kInf}));
}

TEST(OccurrencePenalties, LookBackAndCountThePromptAsAsked) {
  const std::vector<int32_t> history = {3, 3, 0, 1, 0, 4, 0};
  const auto counted = [&](const char* last_n, const char* prompt, int32_t tokens) {
    return penalized_row("frequency-penalty", {{"penalty", "1"}, {"last_n", last_n}, {"prompt", prompt}}, history,
                         tokens);
  };
  EXPECT_EQ(counted("0", "on", 7), (std::vector<float>{5, -9, 8, -2, -kInf}));
  EXPECT_EQ(counted("3", "on", 7), (std::vector<float>{6, -8, 8, 0, -kInf}));
  EXPECT_EQ(counted("3", "off", 2), (std::vector<float>{6, -8, 8, 0, -kInf}));
  EXPECT_EQ(counted("3", "off", 6), (std::vector<float>{7, -8, 8, 0, -kInf}));
  EXPECT_EQ(counted("2147483647", "on", 2), counted("0", "on", 2));
  EXPECT_EQ(counted("0", "off", -5), counted("0", "on", 2)) << "the beginning is no longer in the context";
  EXPECT_EQ(counted("0", "off", 40), (std::vector<float>{8, -8, 8, 0, -kInf}));
}

TEST(OccurrencePenalties, KeepTheHistoriesOfRowsApartAndPassBrokenTokensBy) {
  for (const char* name : {"frequency-penalty", "presence-penalty"}) {
    Batch batch(3);
    batch.add({8, 8, 8}, {1, 4, 4});
    batch.add({8, 8, 8}, {2, 0, 2});
    const int32_t first[] = {0, 0, kNone, 3}, second[] = {1, 2};
    std::copy_n(first, 4, &batch.tokens[4 * (kContext + 1)]);
    std::copy_n(second, 2, batch.tokens.data());
    run(batch, {{name, {{"penalty", "2"}}}});
    EXPECT_EQ(batch.logits, (std::vector<float>{6, 8, 8, 1e30f, 1e30f, 1e30f, 8, 8, 6, 1e30f, 1e30f, 1e30f})) << name;
  }
}

std::vector<int32_t> dropped_ids(const std::vector<float>& row) {
  std::vector<int32_t> ids;
  for (size_t id = 0; id < row.size(); ++id)
    if (row[id] == -kInf) ids.push_back(static_cast<int32_t>(id));
  return ids;
}

std::vector<int32_t> banned(const char* ngram, const std::vector<int32_t>& history) {
  return dropped_ids(changed({{"no-repeat-ngram", {{"ngram", ngram}}}}, std::vector<float>(6, 1), history, 3));
}

TEST(NoRepeatNgram, DropsWhatWouldCompleteARunAgain) {
  using Ids = std::vector<int32_t>;
  const Ids history = {1, 2, 3, 1, 2, 4, 0, 1, 2};
  EXPECT_EQ(banned("0", history), Ids{});
  EXPECT_EQ(banned("1", history), (Ids{0, 1, 2, 3, 4}));
  EXPECT_EQ(banned("2", history), (Ids{3, 4}));
  EXPECT_EQ(banned("3", history), (Ids{3, 4}));
  EXPECT_EQ(banned("4", history), Ids{});
  EXPECT_EQ(banned("4", {0, 1, 2, 5, 0, 1, 2}), Ids{5});
  EXPECT_EQ(banned("3", {1, 1, 1}), Ids{1}) << "runs may overlap";
  EXPECT_EQ(banned("3", {1}), Ids{});
  EXPECT_EQ(banned("1024", history), Ids{});
  EXPECT_EQ(banned("2", {}), Ids{});
  EXPECT_EQ(banned("2", {1, kNone, 1, 6, 1, 4, 1}), Ids{4}) << "what is no token cannot be dropped";
}

TEST(LogitBias, AddsAndBans) {
  const auto of = [](const char* bias) {
    return changed({{"logit-bias", {{"bias", bias}}}}, {1, 2, -3, -kInf, 0}, {1, 2});
  };
  EXPECT_EQ(of("none"), (std::vector<float>{1, 2, -3, -kInf, 0}));
  EXPECT_EQ(of("1=0.25"), (std::vector<float>{1, 2.25f, -3, -kInf, 0}));
  EXPECT_EQ(of("4=-inf 2=-1, 0=1e6,3=5"), (std::vector<float>{1000001, 2, -4, -kInf, -kInf}));
  EXPECT_EQ(changed({{"logit-bias", {{"bias", "1=-inf"}}}}, {1, kInf, 2}), (std::vector<float>{1, kInf, 2}))
      << "the selector reports the row";
}

TEST(LogitBias, TakesAsManyAsItIsGiven) {
  constexpr int32_t kMany = 1500;
  std::string all;
  std::vector<float> row(kMany + 1, 1), expected(kMany + 1, 1);
  for (int32_t id = kMany; id > 0; --id) {
    all += std::to_string(id) + "=" + std::to_string(id % 7) + " ";
    expected[id] += static_cast<float>(id % 7);
  }
  EXPECT_EQ(changed({{"logit-bias", {{"bias", all}}}}, row), expected);
}

std::string refusal(const char* name, const OptionValues& options, int32_t vocab = 6) {
  Batch batch = batch_of(std::vector<float>(vocab, 1), {});
  return error_of([&] { sampler(name, options, batch); });
}

TEST(LogitBias, RefusesWhatIsNoBias) {
  const auto said = [](const char* bias) { return refusal("logit-bias", {{"bias", bias}}); };
  for (const char* bias : {"1", "1=", "=2", "1=x", "1=nan", "1=inf", "1=1000001", "-1=2", "1.5=2", "1=2=3", "1:2",
                           "99999999999=1", "none 1=2"})
    EXPECT_THAT(said(bias), HasSubstr("logit-bias.bias: expected")) << bias;
  for (const char* bias : {"", " ", ","}) EXPECT_THAT(said(bias), HasSubstr("found an empty text"));
  EXPECT_THAT(said("1=2 3=1 1=3"), testing::AllOf(HasSubstr("1"), HasSubstr("twice")));
  EXPECT_THAT(said("1=2 6=1"), testing::AllOf(HasSubstr("below 6"), HasSubstr("found 6")));
  EXPECT_EQ(said("5=1"), "no error");
  Batch batch = batch_of(std::vector<float>(6, 1), {});
  const auto made = sampler("logit-bias", {{"bias", "2=1"}}, batch);
  const PluginOptions beyond(load_sampler("logit-bias"), {{"bias", "6=1"}});
  EXPECT_THROW(made->configure(2, &beyond), Error);
  made->sample(batch.view());
  EXPECT_EQ(batch.logits[2], 2) << "refused options change nothing";
}

TEST(MinTokens, KeepsTheTextFromEndingUntilItHasEnoughNewTokens) {
  const auto of = [](const char* least, const char* ends, int32_t prompt) {
    return dropped_ids(changed({{"min-tokens", {{"min_tokens", least}, {"ends", ends}}}}, std::vector<float>(6, 1),
                               {1, 2, 3, 4}, prompt));
  };
  using Ids = std::vector<int32_t>;
  EXPECT_EQ(of("3", "5 1", 2), (Ids{1, 5}));
  EXPECT_EQ(of("2", "5 1", 2), Ids{});
  EXPECT_EQ(of("3", "5", 1), Ids{});
  EXPECT_EQ(of("3", "5", 2), Ids{5});
  EXPECT_EQ(of("1", "0,2,4,6,50256", 4), (Ids{0, 2, 4})) << "ids beyond the vocabulary end no text";
  EXPECT_EQ(of("0", "5", 4), Ids{});
  EXPECT_EQ(of("9", "none", 4), Ids{});
  const std::vector<float> plain = changed({{"min-tokens", {}}}, std::vector<float>(50257, 1), {1}, 1);
  EXPECT_EQ(dropped_ids(plain), Ids{50256}) << "the defaults: GPT-2's end of text, not as the first token";
}

TEST(MinTokens, RefusesWhatIsNoId) {
  for (const char* ends : {"", "x", "-1", "1=2", "1.0", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"})
    EXPECT_THAT(refusal("min-tokens", {{"ends", ends}}), HasSubstr("min-tokens.ends: expected")) << ends;
  EXPECT_EQ(refusal("min-tokens", {{"ends", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"}}), "no error");
}

}  // namespace
}  // namespace gpt2run::test
