// Divergences of two rows of logits: against numbers of 60 digits and SciPy's, at their limits, and where doubles would
// cancel.
#include "gpt2run/evaluation/divergence.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>
#include <random>

#include "support/error_of.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::IsMessage;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> row_of(const json& values) {
  std::vector<float> row;
  for (const json& value : values) row.push_back(value.is_null() ? -kInfinity : value.get<float>());
  return row;
}

double number_of(const json& value) {
  return value.is_string() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

std::vector<float> random_row(int size, double spread, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<float> row(size);
  for (float& logit : row) logit = static_cast<float>((random() / 4294967296. - 0.5) * 6 * spread);
  return row;
}

double found_of(const RowDivergence& found, const std::string& name) {
  for (int m = 0; m < kMetrics; ++m)
    if (name == spec_of(static_cast<Metric>(m)).name) return found.values[m];
  if (name == "entropy") return found.entropy;
  if (name == "margin") return found.margin;
  if (name == "margin_probability") return found.margin_probability;
  ADD_FAILURE() << name;
  return 0;
}

// Sums of V = 23 positive terms, each right to a few units: V eps = 5e-15 of the whole, and as much again for each
// function on the way. What is a difference of two logs, or a cosine, has its error beside the logs, or beside 1; in
// tvd the error of the two log sums, eps of them, does not cancel.
void expect_near(double found, double expected, double scale, const std::string& what) {
  const bool near = std::isinf(expected) ? found == expected : std::fabs(found - expected) <= 1e-13 * scale;
  EXPECT_TRUE(near) << what << ": " << found << ", expected " << expected;
}

TEST(Divergence, IsWhatItsDefinitionSays) {
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/evaluation/divergence.json"));
  ASSERT_GE(golden.at("cases").size(), 10u);
  for (const json& one : golden.at("cases")) {
    const std::vector<float> ref = row_of(one.at("ref")), test = row_of(one.at("test"));
    const auto found = DivergenceMeter(golden.at("top_k")).compare(ref, test, one.at("target"));
    for (const auto& [name, value] : one.at("exact").items()) {
      const double expected = number_of(value);
      const bool differs = name == "logprob_difference" || name.starts_with("margin") || name.starts_with("cosine");
      const double scale = name == "logprob_difference" ? std::fabs(found.ref_logprob) + std::fabs(found.test_logprob)
                           : name == "tvd"              ? std::fabs(expected) + 1e-2
                           : differs                    ? 1
                                                        : std::fabs(expected);
      expect_near(found_of(found, name), expected, scale, one.at("about").get<std::string>() + ", " + name);
    }
    if (!one.contains("scipy")) continue;
    for (const auto& [name, value] : one.at("scipy").items()) {
      const double expected = number_of(value);
      expect_near(found_of(found, name), expected, 1e4 * std::fabs(expected) + 10, "SciPy, " + name);
    }
  }
}

TEST(Divergence, OfARowAndItselfIsExactlyNothing) {
  for (const double spread : {1e-3, 1., 30., 3000.}) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      std::vector<float> row = random_row(97, spread, seed);
      if (seed % 3 == 0) row[5] = -kInfinity;
      if (seed % 5 == 0) row[6] = kInfinity;
      const RowDivergence found = DivergenceMeter().compare(row, row, 5);
      for (int m = 0; m < kMetrics; ++m)
        EXPECT_EQ(found.values[m], spec_of(static_cast<Metric>(m)).equal) << spec_of(static_cast<Metric>(m)).name;
    }
  }
  const std::vector<float> zero(9);
  EXPECT_EQ(DivergenceMeter().compare(zero, zero, 1)[Metric::cosine], 1);
  EXPECT_NEAR(DivergenceMeter().compare(zero, zero, 1).entropy, std::log(9.), 1e-14);
}

TEST(Divergence, TurnsRoundWithItsRows) {
  for (const double change : {1e-6, 1e-3, 0.5, 20., 900.}) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      const std::vector<float> ref = random_row(97, 2, seed);
      std::vector<float> test = random_row(97, change, seed + 100);
      for (size_t i = 0; i < ref.size(); ++i) test[i] += ref[i];
      if (seed % 3 == 0) test[5] = -kInfinity;
      DivergenceMeter meter;
      const RowDivergence there = meter.compare(ref, test, 7), back = meter.compare(test, ref, 7);
      EXPECT_EQ(there[Metric::kl_ref_test], back[Metric::kl_test_ref]) << change;
      EXPECT_EQ(there[Metric::kl_test_ref], back[Metric::kl_ref_test]) << change;
      EXPECT_EQ(there[Metric::logprob_difference], -back[Metric::logprob_difference]);
      for (const Metric metric : {Metric::js, Metric::tvd, Metric::logit_mse, Metric::logit_mse_aligned, Metric::cosine,
                                  Metric::cosine_aligned, Metric::top1_agreement, Metric::topk_overlap})
        EXPECT_EQ(there[metric], back[metric]) << spec_of(metric).name;
    }
  }
}

// A small change c of the logits: both KL are half of its variance under p, JS an eighth, up to its third moment, a
// relative error of about c. The floats are what they are: c is taken from them.
TEST(Divergence, FindsAKnownSmallChangeAgain) {
  for (const double change : {1e-6, 1e-5, 1e-4}) {
    const std::vector<float> ref = random_row(997, 1, 3);
    std::vector<float> test = random_row(997, change, 4);
    for (size_t i = 0; i < ref.size(); ++i) test[i] += ref[i];
    double sum = 0, mean = 0, square = 0;
    for (size_t i = 0; i < ref.size(); ++i) {
      const double p = std::exp(double(ref[i])), c = double(test[i]) - ref[i];
      sum += p, mean += p * c, square += p * c * c;
    }
    const double half = (square / sum - mean / sum * (mean / sum)) / 2;
    ASSERT_GT(half, 0);
    const RowDivergence found = DivergenceMeter().compare(ref, test, 0);
    EXPECT_NEAR(found[Metric::kl_ref_test] / half, 1, 10 * change) << half;
    EXPECT_NEAR(found[Metric::kl_test_ref] / half, 1, 10 * change) << half;
    EXPECT_NEAR(found[Metric::js] / half, 0.25, 10 * change) << half;
  }
}

TEST(Divergence, HasItsLimits) {
  DivergenceMeter meter(3);
  const std::vector<float> a = {0, -kInfinity, -kInfinity, -kInfinity}, b = {-kInfinity, 0, 0, -kInfinity};
  const RowDivergence apart = meter.compare(a, b, 3);
  EXPECT_EQ(apart[Metric::kl_ref_test], kInfinity);
  EXPECT_EQ(apart[Metric::kl_test_ref], kInfinity);
  EXPECT_NEAR(apart[Metric::js], std::numbers::ln2, 1e-15);
  EXPECT_EQ(apart[Metric::tvd], 1);
  EXPECT_EQ(apart[Metric::logit_mse], kInfinity);
  EXPECT_EQ(apart[Metric::logprob_difference], 0);  // a token that neither gives
  EXPECT_EQ(apart.test_token, 1);
  EXPECT_EQ(meter.compare(a, b, 0)[Metric::logprob_difference], -kInfinity);
  EXPECT_EQ(meter.compare(a, b, 1)[Metric::logprob_difference], kInfinity);
  const std::vector<float> top = {1, kInfinity, kInfinity, 2};  // all probability at +infinity
  const RowDivergence infinite = meter.compare(b, top, 1);
  EXPECT_EQ(infinite[Metric::kl_ref_test], 0);
  EXPECT_EQ(infinite.test_logprob, -std::numbers::ln2);
  // A probability that is 0 in double is none in truth.
  const std::vector<float> far = {0, -2000, 0}, near = {0, 0, 0};
  EXPECT_NEAR(meter.compare(near, far, 0)[Metric::kl_ref_test], 2000. / 3 - std::log(1.5), 1e-10);
  EXPECT_NEAR(meter.compare(far, near, 0)[Metric::kl_ref_test], std::log(1.5), 1e-14);
  EXPECT_EQ(meter.compare(std::vector<float>{3}, std::vector<float>{4}, 0)[Metric::kl_ref_test], 0);
}

std::string message_of(const std::vector<float>& ref, const std::vector<float>& test, int32_t target) {
  return test::error_of([&] { DivergenceMeter().compare(ref, test, target); });
}

TEST(Divergence, RefusesWhatIsNoDistribution) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(message_of({1, 2, nan}, {1, 2, 3}, 0), IsMessage("reference", "NaN", "token 2"));
  EXPECT_THAT(message_of({1, 2, 3}, {nan, 2, 3}, 0), IsMessage("test", "NaN", "token 0"));
  EXPECT_THAT(message_of({1, 2}, {1, 2, 3}, 0), IsMessage("2 in the reference", "3 in the test"));
  EXPECT_THAT(message_of({1, 2}, {1, 2}, 2), IsMessage("[0, 2)", "2"));
  EXPECT_THAT(message_of({1, 2}, {-kInfinity, -kInfinity}, 0), IsMessage("test", "probability"));
  EXPECT_THROW(DivergenceMeter(0), Error);
}

}  // namespace
}  // namespace gpt2run
