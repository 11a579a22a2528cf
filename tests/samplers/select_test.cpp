// The exact selection against its plain definition, and its pieces one by one.
#include "gpt2run/sdk/select.hpp"

#include <gtest/gtest.h>

#include <cfloat>
#include <random>
#include <set>

#include "samplers/random_rows.hpp"
#include "samplers/sampling_reference.hpp"

namespace gpt2run {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

int32_t select(const std::vector<float>& logits, const SelectSpec& spec, int32_t position = 0) {
  SelectScratch scratch(static_cast<int32_t>(logits.size()));
  return select_nucleus(logits, spec, 42, 7, position, scratch);
}

// Every token that comes up in `draws` draws.
std::set<int32_t> support(const std::vector<float>& logits, const SelectSpec& spec, int draws = 4000) {
  std::set<int32_t> seen;
  SelectScratch scratch(static_cast<int32_t>(logits.size()));
  for (int i = 0; i < draws; ++i) seen.insert(select_nucleus(logits, spec, 42, 7, i, scratch));
  return seen;
}

TEST(OrderKey, AscendsWithTheValue) {
  const float ascending[] = {-kInf,  -FLT_MAX, -1e4f, -1.0f,      -FLT_MIN, -1e-45f, 0.0f,
                             1e-45f, FLT_MIN,  1.0f,  1.0000001f, FLT_MAX,  kInf,    kNan};
  for (size_t i = 1; i < std::size(ascending); ++i) {
    EXPECT_LT(order_key(ascending[i - 1]), order_key(ascending[i])) << ascending[i];
  }
  EXPECT_EQ(order_key(-0.0f), order_key(0.0f));
  EXPECT_EQ(order_key(-kNan), kNanKey);
  EXPECT_EQ(order_key(kInf), kPlusInfinityKey);
  EXPECT_EQ(order_key(-kInf), kMinusInfinityKey);
  for (size_t i = 0; i + 1 < std::size(ascending); ++i) EXPECT_EQ(logit_of(order_key(ascending[i])), ascending[i]);
}

TEST(Rank, PutsGreaterValuesThenLowerIdsFirst) {
  EXPECT_GT(rank_of(order_key(1), 900), rank_of(order_key(0), 1));
  EXPECT_GT(rank_of(order_key(1), 3), rank_of(order_key(1), 4));
  EXPECT_EQ(id_of(rank_of(order_key(-3.5f), kMaxVocab - 1)), kMaxVocab - 1);
}

TEST(Exp, IsWithinItsBoundOfLongDouble) {
  std::mt19937_64 bits(1);
  std::uniform_real_distribution<double> exponent(-12, std::log2(708.0));
  for (int i = 0; i < 300000; ++i) {
    const double x = -std::exp2(exponent(bits));
    const long double exact = std::exp(static_cast<long double>(x));
    // The bound stated for exp_nonpositive.
    ASSERT_LE(std::abs(static_cast<long double>(exp_nonpositive(x)) - exact), 0x1p-52L * exact) << x;
  }
  EXPECT_EQ(exp_nonpositive(0.0), 1.0);
  EXPECT_EQ(exp_nonpositive(-0x1p-60), 1.0);
  EXPECT_EQ(exp_nonpositive(-708.5), 0.0);
  EXPECT_EQ(exp_nonpositive(-DBL_MAX), 0.0);
  EXPECT_EQ(exp_nonpositive(-INFINITY), 0.0);
}

TEST(Mass, IsRoundedToNearestWithTheMaximumAtTheWhole) {
  EXPECT_EQ(mass_of(-200, -200, 0.7), kWholeMass);
  EXPECT_EQ(mass_of(-kInf, -200, 0.7), 0u);
  EXPECT_EQ(mass_of(-1e4f, 1e4f, 1), 0u);
  EXPECT_EQ(mass_of(0, 1, 1e-300), 0u);
  EXPECT_EQ(mass_of(-FLT_MAX, FLT_MAX, 1e300), kWholeMass);
  for (float below = 0; below < 40; below += 0.0037f) {
    const long double exact = std::exp(-static_cast<long double>(below) / 0.9L) * 0x1p+46L;
    // Half a unit of rounding, the error of exp, and that of the quotient's rounding (2^-53 of at most 45).
    EXPECT_NEAR(static_cast<long double>(mass_of(-below, 0, 0.9)), exact, 0.5L + exact * (0x1p-52L + 45 * 0x1p-53L));
  }
}

TEST(FixedPoint, IsExactAtTheEndsAndBetween) {
  EXPECT_EQ(least_mass(0), 0u);
  EXPECT_EQ(least_mass(1), kWholeMass);
  EXPECT_EQ(least_mass(0x1p-47), 0u);  // half a unit: to even
  EXPECT_EQ(least_mass(0x3p-47), 2u);
  EXPECT_EQ(least_mass(0.05), static_cast<uint64_t>(std::llrint(0.05 * 0x1p+46)));
  EXPECT_EQ(fixed_top_p(0.5), uint64_t{1} << 63);
  EXPECT_EQ(fixed_top_p(0x1p-64), 1u);
  EXPECT_EQ(fixed_top_p(0x1p-65), 0u);
  EXPECT_EQ(fixed_top_p(1 - 0x1p-53), ~uint64_t{0} - 2047);
  EXPECT_EQ(fixed_top_p(1), kKeepAll);
  EXPECT_EQ(top_p_target(kKeepAll, 12345), 12345u);
  EXPECT_EQ(top_p_target(fixed_top_p(0.5), 12345), 6172u);
}

TEST(Loops, GiveTheSameBitsWithAndWithoutWideRegisters) {
  std::mt19937 bits(3);
  std::normal_distribution<float> normal(-30, 12);
  std::vector<float> logits(1000);
  for (float& logit : logits) logit = normal(bits);
  logits[3] = -0.0f;
  logits[5] = -kInf;
  std::vector<uint64_t> ranks, wide(logits.size()), plain(logits.size());
  for (float logit : logits) ranks.push_back(rank_of(order_key(logit), 0));
  detail::masses(ranks, 20, 0.9, wide.data());
  detail::masses_loop(ranks, 20, 0.9, plain.data());
  EXPECT_EQ(wide, plain);
  std::vector<uint32_t> maxima(16), plain_maxima(16);
  detail::block_maxima(logits, maxima.data());
  detail::block_maxima_loop(logits, plain_maxima.data());
  EXPECT_EQ(maxima, plain_maxima);
}

TEST(TokenAt, IsTheFirstWhoseRunningSumExceedsThePoint) {
  std::vector<uint64_t> ranks;
  for (int32_t id : {2, 3, 5, 7, 8}) ranks.push_back(rank_of(order_key(id == 5 ? 0.0f : 1.0f), id));
  const std::vector<uint64_t> masses = {0, 10, 100, 5, 0};
  const uint64_t all = 0, first_value = rank_of(order_key(1), 8);
  EXPECT_EQ(detail::token_at(ranks, masses, all, 0), 3);
  EXPECT_EQ(detail::token_at(ranks, masses, all, 9), 3);
  EXPECT_EQ(detail::token_at(ranks, masses, all, 10), 5);
  EXPECT_EQ(detail::token_at(ranks, masses, all, 109), 5);
  EXPECT_EQ(detail::token_at(ranks, masses, all, 114), 7);
  EXPECT_EQ(detail::token_at(ranks, masses, first_value, 10), 7);
}

TEST(Select, KeepsTheLowestIdsOfTiesAtTheEdgeOfTopK) {
  std::vector<float> logits(300, -4.0f);
  for (int id : {20, 90, 91, 250}) logits[id] = 3;
  logits[200] = 3.5f;
  // Hot enough that every token that is kept comes up.
  EXPECT_EQ(support(logits, {.temperature = 10, .top_k = 3}), (std::set<int32_t>{20, 90, 200}));
  EXPECT_EQ(support(logits, {.temperature = 10, .top_k = 1}), (std::set<int32_t>{200}));
  EXPECT_EQ(support(logits, {.temperature = 10, .top_k = 7}), (std::set<int32_t>{0, 1, 20, 90, 91, 200, 250}));
}

TEST(Select, EndsTheNucleusAtTheTokenThatReachesTopP) {
  const std::vector<float> equal(5, -200.0f);
  // A double of 0.4 is a little more than 2/5, in fixed point by less than a unit of mass: 2 tokens reach it.
  EXPECT_EQ(support(equal, {.top_p = 0.4}), (std::set<int32_t>{0, 1}));
  EXPECT_EQ(support(equal, {.top_p = 0.41}), (std::set<int32_t>{0, 1, 2}));
  EXPECT_EQ(support(equal, {.top_p = 1e-300}), (std::set<int32_t>{0}));
  EXPECT_EQ(support(equal, {.top_p = 1}), (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(support(equal, {.top_p = 1 - 0x1p-53}), (std::set<int32_t>{0, 1, 2, 3, 4}));
}

TEST(Select, AppliesTopPToWhatTopKLeaves) {
  // Probabilities 0.4, 0.3, 0.3: of the whole 0.5 needs two tokens; of the two that top-k leaves, 0.4 / 0.7, one.
  const std::vector<float> logits = {std::log(0.3f), std::log(0.4f), std::log(0.3f)};
  EXPECT_EQ(support(logits, {.top_k = 2, .top_p = 0.5}), (std::set<int32_t>{1}));
  EXPECT_EQ(support(logits, {.top_k = 0, .top_p = 0.5}), (std::set<int32_t>{0, 1}));
}

TEST(Select, AppliesMinPBeforeTopP) {
  // 0.5, 0.3, 0.2 and min_p 0.5 leave 0.5 and 0.3; top_p 0.6 of the rest is the first token alone.
  const std::vector<float> logits = {std::log(0.2f), std::log(0.5f), std::log(0.3f)};
  EXPECT_EQ(support(logits, {.min_p = 0.5}), (std::set<int32_t>{1, 2}));
  EXPECT_EQ(support(logits, {.min_p = 0.5, .top_p = 0.6}), (std::set<int32_t>{1}));
  EXPECT_EQ(support(logits, {.top_p = 0.6}), (std::set<int32_t>{1, 2}));
  EXPECT_EQ(support(std::vector<float>(9, 2.0f), {.min_p = 1}).size(), 9u);
}

TEST(Select, ReportsRowsThatCannotBeSampled) {
  const SelectSpec specs[] = {{.temperature = 0}, {}, {.top_k = 3, .top_p = 0.5}};
  for (const SelectSpec& spec : specs) {
    for (size_t size : {1, 2, 64, 65, 1000}) {
      for (size_t at : {size_t{0}, size / 2, size - 1}) {
        std::vector<float> logits(size, 1.0f);
        logits[at] = kNan;
        EXPECT_EQ(select(logits, spec), kNone) << "NaN at " << at << " of " << size;
        logits[at] = -kNan;
        EXPECT_EQ(select(logits, spec), kNone) << "-NaN at " << at << " of " << size;
        logits[at] = kInf;
        EXPECT_EQ(select(logits, spec), kNone) << "infinity at " << at << " of " << size;
        logits[at] = -kInf;
        EXPECT_EQ(select(logits, spec) == kNone, size == 1) << "-infinity at " << at << " of " << size;
      }
      EXPECT_EQ(select(std::vector<float>(size, -kInf), spec), kNone);
    }
  }
}

TEST(Select, NeverTakesADroppedToken) {
  std::vector<float> logits(200, -kInf);
  logits[7] = logits[150] = -1e30f;
  EXPECT_EQ(support(logits, {}), (std::set<int32_t>{7, 150}));
  EXPECT_EQ(support(logits, {.top_k = 10}), (std::set<int32_t>{7, 150}));
}

TEST(Select, IsTheSameForLogitsMovedByAConstant) {
  std::mt19937 bits(5);
  std::vector<float> logits(4096), moved;
  for (float& logit : logits) logit = static_cast<float>(bits() % 1024) / 64;  // exact after the move, too
  for (float offset : {-200.0f, 1e4f, -1e4f}) {
    moved.clear();
    for (float logit : logits) moved.push_back(logit + offset);
    for (int position = 0; position < 50; ++position) {
      EXPECT_EQ(select(moved, {.top_k = 40, .top_p = 0.9}, position),
                select(logits, {.top_k = 40, .top_p = 0.9}, position));
    }
  }
  EXPECT_EQ(support({-1e4f, 1e4f, 0}, {}), (std::set<int32_t>{1}));
}

TEST(Select, RefusesWhatIsOutOfRange) {
  const std::vector<float> logits(8, 0.0f);
  EXPECT_THROW(select(logits, {.temperature = -1}), Error);
  EXPECT_THROW(select(logits, {.temperature = NAN}), Error);
  EXPECT_THROW(select(logits, {.temperature = INFINITY}), Error);
  EXPECT_THROW(select(logits, {.top_k = -1}), Error);
  EXPECT_THROW(select(logits, {.min_p = 1.5}), Error);
  EXPECT_THROW(select(logits, {.top_p = 0}), Error);
  EXPECT_THROW(select(logits, {.top_p = NAN}), Error);
  EXPECT_THROW(SelectScratch(0), Error);
  EXPECT_THROW(SelectScratch(kMaxVocab + 1), Error);
  EXPECT_NO_THROW(SelectScratch{kMaxVocab});
  SelectScratch small(4);
  EXPECT_THROW(select_nucleus(logits, {}, 1, 2, 3, small), Error);
}

TEST(Select, EqualsItsPlainDefinition) {
  std::mt19937 bits(11);
  SelectScratch scratch(50257);
  for (int i = 0; i < 6000; ++i) {
    const size_t vocabs[] = {1, 2, 3, 48, 63, 64, 65, 200, 1000, i % 200 ? size_t{700} : size_t{50257}};
    const std::vector<float> row = test::random_row(bits, vocabs[bits() % 10]);
    const SelectSpec spec = test::random_spec(bits, static_cast<int32_t>(row.size()));
    const uint64_t seed = bits(), sequence = bits();
    for (int32_t position = 0; position < 5; ++position) {
      ASSERT_EQ(select_nucleus(row, spec, seed, sequence, position, scratch),
                test::sample_reference(row, spec, seed, sequence, position))
          << "row " << i << " of " << row.size() << ": temperature " << spec.temperature << " top_k " << spec.top_k
          << " min_p " << spec.min_p << " top_p " << spec.top_p;
    }
    ASSERT_EQ(select_argmax(row), test::sample_reference(row, {.temperature = 0}, 0, 0, 0));
    ASSERT_EQ(select_nucleus(row, {.top_k = 1}, seed, sequence, 0, scratch), select_argmax(row));
  }
}

}  // namespace
}  // namespace gpt2run
