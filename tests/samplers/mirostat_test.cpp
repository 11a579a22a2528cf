// The sampler mirostat: against its definition in integers and against llama.cpp's formulas in long double, and its
// state by slot.
#include <gtest/gtest.h>

#include "../../samplers/common/row_arithmetic.hpp"
#include "samplers/distribution.hpp"
#include "samplers/links.hpp"
#include "samplers/random_rows.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run::test {
namespace {

constexpr uint64_t kSeed = 1234;  // of every key of a Batch

// A batch with one row per slot, all of which choose the token at `position`.
Batch batch_at(int32_t position, const std::vector<std::vector<float>>& rows) {
  Batch batch(static_cast<int32_t>(rows[0].size()));
  for (size_t slot = 0; slot < rows.size(); ++slot)
    batch.add(rows[slot], {slot * 7 + 1, static_cast<int32_t>(slot), position});
  return batch;
}

// As docs/numerics.md defines it, with plain loops. mu: in units of 2^-32 bits, as tau.
struct Definition {
  double temperature;
  int64_t tau;
  double eta;
  int64_t mu = 2 * tau, surprise = 0;  // of the token chosen last, among those that were kept

  int32_t choose(const std::vector<float>& row, uint64_t sequence, int32_t position) {
    for (const float logit : row)
      if (std::isnan(logit) || logit == kInf) return kNone;
    const auto best = std::max_element(row.begin(), row.end());
    if (*best == -kInf) return kNone;
    if (temperature == 0) return static_cast<int32_t>(best - row.begin());
    unsigned __int128 total = 0, kept = 0, sum = 0;
    for (const float logit : row) total += mass_of(logit, *best, temperature);
    const uint64_t least = mass_within(mu, static_cast<uint64_t>(total));
    const auto kept_mass = [&](float logit) {
      const uint64_t mass = mass_of(logit, *best, temperature);
      return mass >= least ? mass : 0;
    };
    for (const float logit : row) kept += kept_mass(logit);
    int32_t chosen = static_cast<int32_t>(best - row.begin());
    surprise = 0;
    if (kept > 0) {
      const unsigned __int128 point = random_bits(kSeed, sequence, position) * kept >> 64;
      for (chosen = 0; (sum += kept_mass(row[chosen])) <= point;) ++chosen;
      surprise = log2_fixed(static_cast<uint64_t>(kept)) - log2_fixed(kept_mass(row[chosen]));
    }
    mu -= static_cast<int64_t>(eta * static_cast<double>(surprise - tau));
    return chosen;
  }
};

#ifdef GPT2RUN_TEST_SAMPLERS
constexpr int kTexts = 4;  // the executor's
#else
constexpr int kTexts = 60;
#endif

TEST(Mirostat, IsItsDefinitionOnAnyRow) {
  std::mt19937 bits(53);
  const double temperatures[] = {1, 1, 0.7, 3, 0, 1e300};
  const char* taus[] = {"5", "1", "0", "0.125", "8", "64"};
  const char* etas[] = {"0.1", "1", "0.5", "0"};
  for (int i = 0; i < kTexts; ++i) {
    const double temperature = temperatures[bits() % 6];
    const std::string tau = taus[bits() % 6], eta = etas[bits() % 4];
    const size_t vocab = 1 + bits() % 600;
    std::unique_ptr<Sampler> made;
    std::vector<Definition> texts(kSlots,
                                  {temperature, static_cast<int64_t>(std::stod(tau) * 0x1p+32), std::stod(eta)});
    for (int32_t position = 0; position < 12; ++position) {
      std::vector<std::vector<float>> rows;
      for (int slot = 0; slot < kSlots; ++slot) rows.push_back(random_row(bits, vocab));
      Batch batch = batch_at(position, rows);
      std::ostringstream temp;
      temp << temperature;
      if (!made) made = sampler("mirostat", {{"temp", temp.str()}, {"tau", tau}, {"eta", eta}}, batch);
      made->sample(batch.view());
      for (int slot = 0; slot < kSlots; ++slot)
        ASSERT_EQ(batch.chosen(slot), texts[slot].choose(rows[slot], slot * 7 + 1, position))
            << "tau " << tau << ", eta " << eta << ", temp " << temperature << ", position " << position;
    }
  }
}

// llama.cpp's mirostat v2, in long double. Returns the token whose share of the kept probability, by ascending id, the
// random number falls into.
struct LlamaCpp {
  long double tau, eta, mu = 2 * tau;

  int32_t choose(const std::vector<float>& row, uint64_t sequence, int32_t position) {
    long double total = 0, kept = 0;
    for (const float logit : row) total += std::exp(static_cast<long double>(logit));
    const auto best = static_cast<size_t>(std::max_element(row.begin(), row.end()) - row.begin());
    std::vector<long double> shares(row.size(), 0);
    for (size_t id = 0; id < row.size(); ++id) {
      const long double share = std::exp(static_cast<long double>(row[id])) / total;
      if (-std::log2(share) <= mu) kept += shares[id] = share;
    }
    if (kept == 0) kept = shares[best] = 1;
    const long double point = std::ldexp(static_cast<long double>(random_bits(kSeed, sequence, position)), -64);
    int32_t chosen = 0;
    for (long double sum = shares[0] / kept; sum <= point; sum += shares[chosen] / kept) ++chosen;
    mu -= eta * (-std::log2(shares[chosen] / kept) - tau);
    return chosen;
  }
};

TEST(Mirostat, IsWhatLlamaCppComputes) {
  std::mt19937 bits(59);
  for (const auto& [tau, eta] : {std::pair("5", "0.1"), {"2", "0.5"}, {"0.5", "1"}}) {
    std::unique_ptr<Sampler> made;
    std::vector<LlamaCpp> texts(kSlots, {std::stold(tau), std::stold(eta)});
    for (int32_t position = 0; position < kContext; ++position) {
      std::vector<std::vector<float>> rows(kSlots, std::vector<float>(300));
      std::normal_distribution<float> normal(0, 2);
      for (auto& row : rows)
        for (float& logit : row) logit = normal(bits);
      Batch batch = batch_at(position, rows);
      if (!made) made = sampler("mirostat", {{"tau", tau}, {"eta", eta}}, batch);
      made->sample(batch.view());
      for (int slot = 0; slot < kSlots; ++slot)
        ASSERT_EQ(batch.chosen(slot), texts[slot].choose(rows[slot], slot * 7 + 1, position))
            << "tau " << tau << ", position " << position;
    }
  }
}

#ifndef GPT2RUN_TEST_SAMPLERS
TEST(Mirostat, HoldsTheMeanSurpriseAtTau) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  const std::vector<float> row = normal_row(2000, 2);  // an entropy of about 8 bits
  for (const double tau : {2.0, 4.0, 6.0}) {
    Batch batch(2000);
    batch.add(row, {1, 0, 3});
    const auto made = sampler("mirostat", {{"tau", std::to_string(tau)}}, batch);
    Definition text = {1, static_cast<int64_t>(tau * 0x1p+32), 0.1};
    double sum = 0;
    const int warm = 200, count = 2000;
    for (int i = 0; i < warm + count; ++i) {
      batch.keys[0].sequence = static_cast<uint64_t>(i);
      made->sample(batch.view());
      ASSERT_EQ(batch.chosen(0), text.choose(row, static_cast<uint64_t>(i), 3));
      if (i >= warm) sum += static_cast<double>(text.surprise) * 0x1p-32;
    }
    EXPECT_NEAR(sum / count, tau, 0.05);
  }
}
#endif

TEST(Mirostat, StateBeginsWithConfigure) {
  std::mt19937 bits(61);
  std::vector<std::vector<std::vector<float>>> steps(20);
  for (auto& rows : steps) rows.assign(kSlots, normal_row(100, 2));
  const OptionValues options = {{"tau", "2"}, {"eta", "0.7"}}, others = {{"tau", "1"}, {"eta", "0.2"}};
  const PluginOptions other(load_sampler("mirostat"), others);
  const auto sample_steps = [&](Sampler& made, size_t begin, size_t end) {
    std::vector<std::vector<int32_t>> chosen(kSlots);
    for (size_t step = begin; step < end; ++step) {
      Batch batch = batch_at(static_cast<int32_t>(step), steps[step]);
      made.sample(batch.view());
      for (int slot = 0; slot < kSlots; ++slot) chosen[slot].push_back(batch.chosen(slot));
    }
    return chosen;
  };
  Batch layout = batch_at(0, steps[0]);
  const auto whole = sample_steps(*sampler("mirostat", options, layout), 0, 20);
  const auto fresh = sample_steps(*sampler("mirostat", options, layout), 10, 20);
  const auto with_others = sample_steps(*sampler("mirostat", others, layout), 10, 20);
  const auto tail = [&](int slot) { return std::vector<int32_t>(whole[slot].begin() + 10, whole[slot].end()); };
  EXPECT_NE(fresh[1], tail(1)) << "the state matters";
  EXPECT_NE(fresh[3], with_others[3]) << "so do the options";
  const auto made = sampler("mirostat", options, layout);
  sample_steps(*made, 0, 10);
  made->configure(1, nullptr), made->configure(3, &other);
  const auto later = sample_steps(*made, 10, 20);
  EXPECT_EQ(later[1], fresh[1]) << "a new request begins anew";
  EXPECT_EQ(later[3], with_others[3]);
  for (const int slot : {0, 2, 4, 5}) EXPECT_EQ(later[slot], tail(slot)) << "a neighbour keeps its state";
  made->prepare(layout.view());
  EXPECT_EQ(sample_steps(*made, 10, 20)[4], fresh[4]) << "another session begins anew";
}

TEST(Mirostat, ARowWithoutAChoiceLeavesTheStateAsItWas) {
  const OptionValues options = {{"tau", "2"}, {"eta", "1"}};
  const std::vector<float> row = normal_row(100, 2);
  Batch layout = batch_at(0, {row});
  const auto made = sampler("mirostat", options, layout), plain = sampler("mirostat", options, layout);
  for (int32_t position = 0; position < 30; ++position) {
    std::vector<float> broken = row;
    broken[position] = position % 2 ? std::numeric_limits<float>::quiet_NaN() : kInf;
    Batch fault = batch_at(position, {broken}), found = batch_at(position, {row}), expected = found;
    made->sample(fault.view());
    EXPECT_EQ(fault.chosen(0), kNone);
    made->sample(found.view()), plain->sample(expected.view());
    EXPECT_EQ(found.chosen(0), expected.chosen(0)) << position;
  }
}

}  // namespace
}  // namespace gpt2run::test
