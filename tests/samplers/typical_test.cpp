// The sampler typical against its definition, in integers on any row and in long double on rows without ties, and the
// arithmetic that it shares with mirostat.
#include <gtest/gtest.h>

#include "../../samplers/common/row_arithmetic.hpp"
#include "samplers/distribution.hpp"
#include "samplers/links.hpp"
#include "samplers/random_rows.hpp"

namespace gpt2run::test {
namespace {

#ifdef GPT2RUN_TEST_SAMPLERS
constexpr int kRowsTried = 40;  // the executor's
#else
constexpr int kRowsTried = 600;
#endif

std::string text_of(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

std::vector<float> kept_by(double p, const std::vector<float>& row, double temperature = 1) {
  return changed({{"typical", {{"typical_p", text_of(p)}, {"temp", text_of(temperature)}}}}, row);
}

// The row with everything dropped but the `count` first ids of `order`.
std::vector<float> first_of(const std::vector<float>& row, const std::vector<int32_t>& order, size_t count) {
  std::vector<float> kept(row.size(), -kInf);
  for (size_t i = 0; i < count; ++i) kept[order[i]] = row[order[i]];
  return kept;
}

// As docs/numerics.md defines it, with a sort and sums of 128 bits.
std::vector<float> typical_reference(const std::vector<float>& row, double p, double temperature) {
  for (const float logit : row)
    if (std::isnan(logit) || logit == kInf) return row;
  const float max = *std::max_element(row.begin(), row.end());
  if (max == -kInf || p == 1) return row;
  unsigned __int128 total = 0, sum = 0;
  std::vector<double> distances;
  std::vector<uint64_t> masses;
  for (const float logit : row) {
    distances.push_back((double{max} - double{logit}) / temperature);
    masses.push_back(mass_of(logit, max, temperature));
    total += masses.back();
    if (masses.back() > 0)
      sum += static_cast<uint64_t>(std::floor(static_cast<double>(masses.back()) * distances.back()));
  }
  const double mean =
      static_cast<double>(static_cast<uint64_t>(sum)) / static_cast<double>(static_cast<uint64_t>(total));
  std::vector<float> deviations;
  for (const double distance : distances)
    deviations.push_back(static_cast<float>(std::min(std::abs(distance - mean), 0x1p+100)));
  std::vector<int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return deviations[a] < deviations[b]; });
  const auto part = static_cast<unsigned __int128>(std::ldexp(static_cast<long double>(p), 64));
  const auto target = std::max<uint64_t>(1, static_cast<uint64_t>(part * total >> 64));
  size_t count = 0;
  for (unsigned __int128 reached = 0; reached < target;) reached += masses[order[count++]];
  return first_of(row, order, count);
}

TEST(Typical, IsItsDefinitionOnAnyRow) {
  std::mt19937 bits(41);
  const double ps[] = {0.9, 0.5, 0.2, 0.95, 1 - 0x1p-53, 1e-20, 1}, temperatures[] = {1, 1, 0.7, 3, 1e-300, 1e300};
  for (int i = 0; i < kRowsTried; ++i) {
    const std::vector<float> row = random_row(bits, 1 + bits() % 700);
    const double p = ps[bits() % 7], temperature = temperatures[bits() % 6];
    const std::vector<float> found = kept_by(p, row, temperature), expected = typical_reference(row, p, temperature);
    ASSERT_EQ(std::memcmp(found.data(), expected.data(), row.size() * sizeof(float)), 0)
        << row.size() << " tokens, p " << p << ", temperature " << temperature;
  }
}

// Meister et al. 2022, as transformers computes it: the smallest set of tokens, those first whose surprise is nearest
// to the entropy, with a probability of p. Returns an empty row where rounding may decide.
std::vector<float> published(const std::vector<float>& row, double p) {
  long double total = 0, entropy = 0;
  for (const float logit : row) total += std::exp(static_cast<long double>(logit));
  std::vector<long double> probabilities, deviations;
  for (const float logit : row) probabilities.push_back(std::exp(static_cast<long double>(logit)) / total);
  for (const long double one : probabilities) entropy -= one * std::log(one);
  for (const long double one : probabilities) deviations.push_back(std::abs(-std::log(one) - entropy));
  std::vector<int32_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return deviations[a] < deviations[b]; });
  size_t count = 0;
  long double reached = 0, before = 0;
  while (reached < p) before = reached, reached += probabilities[order[count++]];
  const bool is_near = reached - p < 1e-9L || p - before < 1e-9L ||
                       (count < row.size() && deviations[order[count]] - deviations[order[count - 1]] < 1e-6L);
  return is_near ? std::vector<float>() : first_of(row, order, count);
}

TEST(Typical, IsThePublishedFormula) {
  std::mt19937 bits(43);
  int compared = 0;
  for (int i = 0; i < kRowsTried; ++i) {
    std::normal_distribution<float> normal(static_cast<float>(bits() % 20), 0.3f + static_cast<float>(bits() % 5));
    std::vector<float> row(1 + bits() % 60);
    for (float& logit : row) logit = normal(bits);
    const double p = 0.05 + 0.9 * static_cast<double>(bits() % 1000) / 1000;
    const std::vector<float> expected = published(row, p);
    if (expected.empty()) continue;
    ASSERT_EQ(kept_by(p, row), expected) << i;
    ++compared;
  }
  EXPECT_GT(compared, kRowsTried * 9 / 10);
}

TEST(Typical, DropsTheMostLikelyTokenWhereItIsNotTypical) {
  // One token of 0.4 and twelve of 0.05: the entropy is 2.16, the surprises 0.92 and 3.0.
  std::vector<float> row(13, std::log(0.05f));
  row[6] = std::log(0.4f);
  std::vector<float> expected(13, -kInf);
  for (int id = 0; id < 3; ++id) expected[id] = row[id];
  EXPECT_EQ(kept_by(0.14, row), expected) << "of equal ones the lowest ids";
  EXPECT_EQ(kept_by(1, row), row);
  EXPECT_EQ(kept_by(0.9999, row), row);
}

TEST(Typical, ComparesAtItsTemperature) {
  const std::vector<float> row = row_of(60, 3);
  std::vector<float> half = row;
  for (float& logit : half) logit /= 2;
  const std::vector<float> warm = kept_by(0.6, row, 2), plain = kept_by(0.6, half);
  for (size_t id = 0; id < row.size(); ++id) EXPECT_EQ(warm[id] == -kInf, plain[id] == -kInf) << id;
  EXPECT_EQ(kept_by(0.6, {1, 3, 2, 3}, 0), (std::vector<float>{-kInf, 3, -kInf, 3}));
}

TEST(Log2, IsWithinItsUnit) {
  std::mt19937_64 bits(47);
  const auto expect_log = [](uint64_t value) {
    const long double expected = std::log2(static_cast<long double>(value)) * 0x1p+32L;
    EXPECT_NEAR(static_cast<long double>(log2_fixed(value)), expected, 1.5L) << value;
  };
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_EQ(log2_fixed(uint64_t{1} << bit), int64_t{bit} << 32);
    expect_log((uint64_t{1} << bit) - 1 + (bit == 0)), expect_log((uint64_t{1} << bit) + 1);
    for (int i = 0; i < 20; ++i) expect_log((bits() >> bit) | 1);
  }
}

}  // namespace
}  // namespace gpt2run::test
