// The samplers that only change logits, behind the plugin contract: alone, in chains before a selector, and against
// transformers' logits processors.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "samplers/distribution.hpp"
#include "samplers/links.hpp"

namespace gpt2run::test {
namespace {

TEST(RepetitionPenalty, TakesEachTokenOfTheHistoryOnce) {
  const std::vector<float> row = {3, -3, 0, 6, -kInf};
  EXPECT_EQ(changed({{"repetition-penalty", {{"penalty", "1.5"}}}}, row, {0, 0, 1, 1, 1, 2, 4}),
            (std::vector<float>{2, -4.5f, 0, 6, -kInf}));
  EXPECT_EQ(changed({{"repetition-penalty", {}}}, {1.2f, -1}, {0, 1}), (std::vector<float>{1.2f / 1.2f, -1.2f}));
  EXPECT_EQ(changed({{"repetition-penalty", {{"penalty", "1"}}}}, row, {0, 1, 2, 3, 4}), row);
  EXPECT_EQ(changed({{"repetition-penalty", {{"penalty", "0.5"}}}}, row, {0, 1}),
            (std::vector<float>{6, -1.5f, 0, 6, -kInf}));
  EXPECT_EQ(changed({{"repetition-penalty", {}}}, row), row) << "no history";
}

TEST(RepetitionPenalty, LooksBackAsFarAsLastN) {
  const auto of = [](const char* last_n) {
    return changed({{"repetition-penalty", {{"penalty", "2"}, {"last_n", last_n}}}}, {8, 8, 8, 8}, {3, 0, 1, 1, 2});
  };
  EXPECT_EQ(of("1"), (std::vector<float>{8, 8, 4, 8}));
  EXPECT_EQ(of("3"), (std::vector<float>{8, 4, 4, 8}));
  EXPECT_EQ(of("4"), (std::vector<float>{4, 4, 4, 8}));
  EXPECT_EQ(of("5"), (std::vector<float>{4, 4, 4, 4}));
  EXPECT_EQ(of("2147483647"), (std::vector<float>{4, 4, 4, 4}));
  EXPECT_EQ(of("0"), (std::vector<float>{4, 4, 4, 4}));
}

TEST(RepetitionPenalty, KeepsTheHistoriesOfRowsApartAndPassesBrokenTokensBy) {
  Batch batch(4);
  batch.add({8, 8, 8, 8}, {1, 4, 3});
  batch.add({8, 8, 8, 8}, {2, 0, 2});
  const int32_t first[] = {0, kNone, 4}, second[] = {1, 2};
  std::copy_n(first, 3, &batch.tokens[4 * (kContext + 1)]);
  std::copy_n(second, 2, batch.tokens.data());
  run(batch, {{"repetition-penalty", {{"penalty", "2"}}}});
  EXPECT_EQ(batch.logits, (std::vector<float>{4, 8, 8, 8, 1e30f, 1e30f, 1e30f, 8, 4, 4, 8, 1e30f, 1e30f, 1e30f}));
}

TEST(TopK, KeepsItsMostLikelyTokens) {
  EXPECT_EQ(changed({{"top-k", {{"top_k", "2"}}}}, {1, 5, 5, 5}), (std::vector<float>{-kInf, 5, 5, -kInf}));
  const std::vector<float> row = row_of(300, 4);
  const std::vector<float> kept = changed({{"top-k", {}}}, row);
  EXPECT_EQ(std::count_if(kept.begin(), kept.end(), [](float x) { return x > -kInf; }), 10) << "the default";
  EXPECT_EQ(changed({{"top-k", {{"top_k", "0"}}}}, row), row);
  EXPECT_EQ(changed({{"top-k", {{"top_k", "301"}}}}, row), row);
}

TEST(MinP, KeepsWhatIsLikelyEnough) {
  const std::vector<float> row = {0, std::log(0.06f), std::log(0.04f), std::log(0.3f)};
  EXPECT_EQ(changed({{"min-p", {}}}, row), (std::vector<float>{0, row[1], -kInf, row[3]})) << "the default, 0.05";
  EXPECT_EQ(changed({{"min-p", {{"min_p", "0.2"}}}}, row), (std::vector<float>{0, -kInf, -kInf, row[3]}));
  EXPECT_EQ(changed({{"min-p", {{"min_p", "0.19"}, {"temp", "2"}}}}, row),
            (std::vector<float>{0, row[1], row[2], row[3]}));
  EXPECT_EQ(changed({{"min-p", {{"min_p", "1"}}}}, row), (std::vector<float>{0, -kInf, -kInf, -kInf}));
  EXPECT_EQ(changed({{"min-p", {{"min_p", "0"}}}}, row), row);
}

// 40 positions of a few sequences, each drawn by both chains.
void expect_same_tokens(const std::vector<Link>& one, const std::vector<Link>& other) {
  for (int32_t vocab : {1, 29, 700}) {
    Batch a(vocab);
    for (int32_t position = 0; position < kContext; ++position)
      for (int32_t slot = 0; slot < kSlots; ++slot) a.add(row_of(vocab, position), {uint64_t(slot), slot, position});
    Batch b = a;
    run(a, one), run(b, other);
    EXPECT_EQ(a.tokens, b.tokens) << "vocabulary " << vocab;
  }
}

TEST(Chain, OfStepsAndNucleusIsNucleusWithTheSteps) {
  const OptionValues rest = {{"top_k", "0"}, {"top_p", "0.9"}};
  expect_same_tokens({{"top-k", {{"top_k", "7"}}}, {"nucleus", rest}},
                     {{"nucleus", {{"top_k", "7"}, {"top_p", "0.9"}}}});
  expect_same_tokens({{"top-k", {}}, {"nucleus", {{"top_k", "0"}}}}, {{"nucleus", {}}});
  expect_same_tokens({{"min-p", {{"min_p", "0.3"}}}, {"nucleus", rest}},
                     {{"nucleus", {{"top_k", "0"}, {"min_p", "0.3"}, {"top_p", "0.9"}}}});
  expect_same_tokens({{"top-k", {{"top_k", "20"}}},
                      {"min-p", {{"min_p", "0.4"}, {"temp", "3"}}},
                      {"nucleus", {{"top_k", "0"}, {"temp", "3"}}}},
                     {{"nucleus", {{"top_k", "20"}, {"min_p", "0.4"}, {"temp", "3"}}}});
  expect_same_tokens({{"min-p", {{"min_p", "1"}}}, {"argmax", {}}}, {{"argmax", {}}});
}

TEST(Chain, ReportsARowThatCannotBeSampled) {
  const std::vector<Link> chains[] = {{{"repetition-penalty", {}}, {"nucleus", {}}},
                                      {{"top-k", {{"top_k", "1"}}}, {"nucleus", {{"top_k", "0"}}}},
                                      {{"min-p", {{"min_p", "1"}}}, {"argmax", {}}},
                                      {{"typical", {}}, {"nucleus", {}}},
                                      {{"typical", {{"temp", "0"}}}, {"argmax", {}}},
                                      {{"frequency-penalty", {{"prompt", "on"}}}, {"argmax", {}}},
                                      {{"presence-penalty", {{"prompt", "on"}}}, {"mirostat", {}}},
                                      {{"no-repeat-ngram", {{"ngram", "1"}}}, {"argmax", {}}},
                                      {{"logit-bias", {{"bias", "3=-inf 4=1"}}}, {"argmax", {}}},
                                      {{"min-tokens", {{"min_tokens", "9"}, {"ends", "3"}}}, {"argmax", {}}},
                                      {{"top-k", {{"top_k", "2"}}}, {"mirostat", {}}}};
  for (const std::vector<Link>& chain : chains) {
    for (const float broken : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()}) {
      Batch batch = batch_of(std::vector<float>(70, broken == -kInf ? -kInf : 1.0f), {1, 2, 3});
      batch.logits[3] = broken;
      batch.add(row_of(70, 1), {6, 4, 1});
      batch.tokens[4 * (kContext + 1)] = 0;
      run(batch, chain);
      EXPECT_EQ(batch.chosen(0), kNone) << chain[0].name << " with " << broken;
      EXPECT_GE(batch.chosen(1), 0) << chain[0].name << " beside " << broken;
    }
  }
}

#ifdef GPT2RUN_TEST_SAMPLERS
constexpr uint64_t kDraws = 1000;  // the executor's
#else
constexpr uint64_t kDraws = 20000;
#endif

// The distribution that a chain draws from, over many sequences that share one row and history.
void expect_distribution(const std::vector<Link>& chain, const std::vector<float>& row,
                         const std::vector<int32_t>& history, const std::vector<double>& expected) {
  std::vector<std::unique_ptr<Sampler>> samplers;
  Batch layout = batch_of(row, history);
  for (const Link& link : chain) samplers.push_back(sampler(link.name, link.options, layout));
  std::vector<int> counts(row.size());
  for (uint64_t sequence = 0; sequence < kDraws; ++sequence) {
    Batch batch = layout;
    batch.keys[0].sequence = sequence;
    for (const auto& one : samplers) one->sample(batch.view());
    ++counts.at(batch.chosen(0));
  }
  EXPECT_GT(p_value(expected, counts), 1e-6) << chain[0].name;
}

TEST(Chain, DrawsFromTheDistributionItDescribes) {
  const OptionValues all = {{"top_k", "0"}, {"top_p", "1"}};
  const std::vector<float> row = normal_row(48, 2);
  expect_distribution({{"top-k", {{"top_k", "5"}}}, {"nucleus", all}}, row, {},
                      expected_distribution(row, {.top_k = 5}));
  expect_distribution({{"min-p", {{"min_p", "0.1"}}}, {"nucleus", all}}, row, {},
                      expected_distribution(row, {.min_p = 0.1}));
  // Logits of ln 8 and -ln 2, penalized by 2: ln sqrt 8 and -ln 4. Masses 8, 2.83, 1/2, 1/4.
  const std::vector<float> four = {std::log(8.0f), std::log(8.0f), -std::log(2.0f), -std::log(2.0f)};
  const double total = 8 + std::sqrt(8.0) + 0.5 + 0.25;
  expect_distribution({{"repetition-penalty", {{"penalty", "2"}}}, {"nucleus", all}}, four, {1, 3, 1},
                      {8 / total, std::sqrt(8.0) / total, 0.5 / total, 0.25 / total});
}

TEST(Golden, ProcessorsDoWhatThoseOfTransformersDo) {
  std::ifstream file(SOURCE_DIR "/tests/golden/samplers/processors.json");
  const nlohmann::json golden = nlohmann::json::parse(file);
  const auto history = golden.at("history").get<std::vector<int32_t>>();
  ASSERT_GE(golden.at("cases").size(), 22u);
  for (const nlohmann::json& one : golden.at("cases")) {
    std::vector<Link> chain;
    for (const nlohmann::json& link : one.at("chain"))
      chain.push_back({link.at("name"), {{link.at("option"), link.at("value")}}});
    for (size_t r = 0; r < golden.at("rows").size(); ++r) {
      const std::vector<float> found =
          changed(chain, golden.at("rows")[r].get<std::vector<float>>(), one.value("history", history));
      std::vector<float> expected;
      for (const nlohmann::json& logit : one.at("logits")[r])
        expected.push_back(logit.is_null() ? -kInf : logit.get<float>());
      EXPECT_EQ(found, expected) << one.at("chain") << ", row " << r;
    }
  }
}

TEST(Processors, DescribeThemselves) {
  for (const char* name : {"frequency-penalty", "logit-bias", "min-p", "min-tokens", "no-repeat-ngram",
                           "presence-penalty", "repetition-penalty", "top-k", "typical"}) {
    const Plugin& plugin = load_sampler(name);
    EXPECT_STREQ(plugin.name, name);
    EXPECT_FALSE(plugin.selects);
  }
}

}  // namespace
}  // namespace gpt2run::test
