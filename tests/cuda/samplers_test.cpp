// The CUDA samplers give the same tokens and logits as the host samplers, bit for bit, in every order of threads and
// blocks.
#include <gtest/gtest.h>

#include <cstring>

#include "samplers/random_rows.hpp"
#include "samplers/sampler_batch.hpp"

namespace gpt2run::test {
namespace {

struct Named {
  const char* name;
  OptionValues options, others;
};
// Every sampler with options, with two choices of their values; mirostat, which keeps state, has tests of its own.
const Named kConfigurable[] = {
    {"nucleus", {{"temp", "0.7"}, {"top_k", "5"}}, {{"temp", "3"}, {"top_k", "0"}, {"min_p", "0.01"}}},
    {"top-k", {{"top_k", "3"}}, {{"top_k", "40"}}},
    {"min-p", {{"min_p", "0.3"}}, {{"min_p", "0.001"}, {"temp", "2"}}},
    {"repetition-penalty", {{"penalty", "1.7"}}, {{"penalty", "0.5"}, {"last_n", "3"}}},
    {"frequency-penalty", {{"penalty", "0.7"}}, {{"penalty", "-1.1"}, {"last_n", "9"}, {"prompt", "on"}}},
    {"presence-penalty", {{"penalty", "0.7"}}, {{"penalty", "0.2"}, {"prompt", "on"}}},
    {"no-repeat-ngram", {{"ngram", "1"}}, {{"ngram", "2"}}},
    {"logit-bias", {{"bias", "3=1.5 64=-inf"}}, {{"bias", "0=-2 1=3 2=-inf 3=0.1 4=-inf"}}},
    {"min-tokens", {{"min_tokens", "9"}, {"ends", "7"}}, {{"min_tokens", "15"}, {"ends", "8 64 8"}}},
    {"typical", {{"typical_p", "0.3"}}, {{"typical_p", "0.8"}, {"temp", "2"}}}};

std::unique_ptr<Sampler> host_sampler(const std::string& name, const OptionValues& options, Batch& layout) {
  auto made = make_plugin<Sampler>(Kind::sampler, name, options);
  made->prepare(layout.view());
  return made;
}

std::string text(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

// Rows of the same width with random histories, in which a few tokens are outside the vocabulary.
Batch random_batch(std::mt19937& bits, int32_t vocab, int rows) {
  Batch batch(vocab);
  for (int32_t& token : batch.tokens) token = static_cast<int32_t>(bits() % (vocab + 3)) - 2;
  for (int row = 0; row < rows; ++row)
    batch.add(random_row(bits, vocab), {bits(), row % kSlots, static_cast<int32_t>(bits() % (kContext + 1))});
  for (RowKey& key : batch.keys) key.prompt = static_cast<int32_t>(bits() % (kContext + 3)) - 1;
  return batch;
}

void expect_equal(const std::string& name, const OptionValues& options, const Batch& batch) {
  Batch host = batch, device = batch;
  host_sampler(name, options, host)->sample(host.view());
  sampler(name, options, device)->sample(device.view());
  std::string said = name;
  for (const auto& [key, value] : options) said += " " + key + "=" + value;
  ASSERT_EQ(device.tokens, host.tokens) << said << ", " << batch.vocab << " tokens";
  ASSERT_EQ(std::memcmp(device.logits.data(), host.logits.data(), host.logits.size() * sizeof(float)), 0)
      << said << ", " << batch.vocab << " tokens";
}

void expect_all_equal(const Batch& batch, const SelectSpec& spec) {
  const std::string temp = text(spec.temperature), top_k = text(spec.top_k), min_p = text(spec.min_p);
  expect_equal("argmax", {}, batch);
  expect_equal("nucleus", {{"temp", temp}, {"top_k", top_k}, {"min_p", min_p}, {"top_p", text(spec.top_p)}}, batch);
  expect_equal("top-k", {{"top_k", top_k}}, batch);
  expect_equal("min-p", {{"min_p", min_p}, {"temp", temp}}, batch);
  const char* last_n = spec.top_k % 2 ? "0" : "7";
  expect_equal("repetition-penalty", {{"penalty", "1.7"}, {"last_n", last_n}}, batch);
  const char* prompt = spec.temperature == 1 ? "on" : "off";
  for (const char* name : {"frequency-penalty", "presence-penalty"})
    expect_equal(name, {{"penalty", "0.3"}, {"last_n", last_n}, {"prompt", prompt}}, batch);
  for (const char* ngram : {"1", "2", "3"}) expect_equal("no-repeat-ngram", {{"ngram", ngram}}, batch);
  expect_equal("logit-bias", {{"bias", batch.vocab > 2 ? "0=1.7 2=-inf 1=-0.1" : "0=-inf"}}, batch);
  expect_equal("min-tokens", {{"min_tokens", "12"}, {"ends", "0 2 47 50256"}}, batch);
  expect_equal("typical", {{"typical_p", text(spec.top_p)}, {"temp", temp}}, batch);
}

TEST(CudaSamplers, EqualTheHostSamplers) {
  std::mt19937 bits(29);
  const int32_t vocabs[] = {1, 2, 3, 48, 63, 64, 65, 511, 513, 1000, 1024, 1025, 1500, 2049};
  for (int i = 0; i < 60; ++i) {
    const int32_t vocab = vocabs[bits() % std::size(vocabs)];
    expect_all_equal(random_batch(bits, vocab, 2), random_spec(bits, vocab));
  }
}

// mirostat through texts: each slot has a row of its own in every step, and the state of the step before.
void expect_equal_texts(std::mt19937& bits, int32_t vocab, int slots, int steps, const OptionValues& options) {
  Batch layout(vocab);
  layout.add(random_row(bits, vocab), {1, 0, 0});
  const auto host = host_sampler("mirostat", options, layout), device = sampler("mirostat", options, layout);
  for (int32_t position = 0; position < steps; ++position) {
    Batch expected(vocab);
    for (int32_t slot = 0; slot < slots; ++slot)
      expected.add(random_row(bits, vocab), {slot * uint64_t{5}, slots - 1 - slot, position});
    Batch found = expected;
    host->sample(expected.view()), device->sample(found.view());
    ASSERT_EQ(found.tokens, expected.tokens) << vocab << " tokens, position " << position;
  }
}

TEST(CudaSamplers, MirostatEqualsTheHostSampler) {
  std::mt19937 bits(67);
  for (const int32_t vocab : {1, 2, 48, 513, 1000}) {
    expect_equal_texts(bits, vocab, kSlots, 12, {});
    expect_equal_texts(bits, vocab, kSlots, 12, {{"tau", "1"}, {"eta", "1"}, {"temp", "3"}});
  }
  expect_equal_texts(bits, 50257, 1, 3, {{"tau", "3"}, {"eta", "0.7"}});
  expect_equal_texts(bits, 70, 2, 2, {{"temp", "0"}});
}

TEST(CudaSamplers, EqualTheHostSamplersOnTheVocabularyOfGpt2) {
  std::mt19937 bits(31);
  for (const SelectSpec& spec : {SelectSpec{1, 10, 0, 0.8}, SelectSpec{0.7, 0, 0.01, 0.95}})
    expect_all_equal(random_batch(bits, 50257, 1), spec);
}

// Rows that are not finite, constant or subnormal, or that have one token far above the others.
TEST(CudaSamplers, EqualTheHostSamplersOnOddRows) {
  std::vector<std::vector<float>> rows(9, std::vector<float>(700, -1.5f));
  rows[1][699] = std::numeric_limits<float>::quiet_NaN(), rows[2][0] = INFINITY;
  rows[3].assign(700, -INFINITY), rows[4][5] = 1e30f;
  for (int id = 0; id < 700; ++id) rows[5][id] = static_cast<float>(id % 2 ? id : -id) * 1e-42f;
  for (int id = 0; id < 700; ++id) rows[6][id] = id % 2 ? 0.0f : -0.0f;
  rows[7].assign(700, -INFINITY), rows[7][3] = rows[7][699] = -1e30f;
  std::fill(rows[8].begin() + 100, rows[8].end(), -200.0f);
  Batch batch(700);
  for (size_t i = 0; i < rows.size(); ++i) batch.add(rows[i], {i, static_cast<int32_t>(i) % kSlots, int32_t(i) * 3});
  for (const SelectSpec& spec : {SelectSpec{1, 0, 0, 1}, SelectSpec{1, 3, 0, 0.5}, SelectSpec{2, 0, 0.5, 1e-20},
                                 SelectSpec{0, 0, 0, 1}, SelectSpec{1, 699, 1, 0.9}})
    expect_all_equal(batch, spec);
  for (size_t i = 0; i < rows.size(); ++i) {
    Batch one(700);
    one.add(rows[i], {i, 0, 5});
    for (const char* tau : {"5", "0"}) expect_equal("mirostat", {{"tau", tau}}, one);
  }
}

Batch batch_of_130_rows() {
  std::mt19937 bits(37);
  Batch batch(65);
  for (int32_t& token : batch.tokens) token = static_cast<int32_t>(bits() % 65);
  for (int row = 0; row < 130; ++row)
    batch.add(random_row(bits, 65), {uint64_t(row), row % kSlots, static_cast<int32_t>(row / kSlots)});
  return batch;
}

TEST(CudaSamplers, TakeMoreRowsThanOneLaunchHolds) { expect_all_equal(batch_of_130_rows(), {1, 20, 0, 0.9}); }

// Raw logits are in memory of their own, as with Limits::keep_raw.
TEST(CudaSamplers, LeaveRawLogitsOfTheirOwnAsTheyAre) {
  Batch batch = batch_of_130_rows();
  const std::vector<float> raw = batch.logits;
  std::vector<float> kept = raw;
  LogitBatch view = batch.view();
  view.raw = kept.data();
  for (const Named& one : kConfigurable) sampler(one.name, one.options, batch)->sample(view);
  EXPECT_EQ(std::memcmp(kept.data(), raw.data(), raw.size() * sizeof(float)), 0);
}

// Compares two batches in the rows of these slots: the logits and the chosen tokens.
void expect_same_rows(const Batch& found, const Batch& expected, const std::vector<int>& slots,
                      const std::string& what) {
  const size_t width = size_t(found.vocab) + found.padding;
  for (size_t row = 0; row < found.keys.size(); ++row) {
    if (std::find(slots.begin(), slots.end(), found.keys[row].slot) == slots.end()) continue;
    EXPECT_EQ(std::memcmp(&found.logits[row * width], &expected.logits[row * width], width * sizeof(float)), 0)
        << what << ", row " << row;
    EXPECT_EQ(found.chosen(static_cast<int>(row)), expected.chosen(static_cast<int>(row))) << what << ", row " << row;
  }
}

TEST(CudaSamplers, ConfiguredIsCreatedSo) {
  const std::vector<int> configured = {1, 3}, neighbours = {0, 2, 4, 5}, all = {0, 1, 2, 3, 4, 5};
  for (const Named& one : kConfigurable) {
    Batch batch = batch_of_130_rows();
    const auto created = [&](const OptionValues& options) {
      Batch own = batch;
      sampler(one.name, options, own)->sample(own.view());
      return own;
    };
    const Batch plain = created(one.options), other = created(one.others);
    EXPECT_TRUE(plain.logits != other.logits || plain.tokens != other.tokens)
        << one.name << ": options change something";
    const PluginOptions others(load_sampler(one.name), one.others);
    const auto made = sampler(one.name, one.options, batch);
    const auto sampled = [&] {
      Batch own = batch;
      made->sample(own.view());
      return own;
    };
    for (const int slot : configured) made->configure(slot, &others);
    const Batch mixed = sampled();
    expect_same_rows(mixed, other, configured, std::string(one.name) + " configured");
    expect_same_rows(mixed, plain, neighbours, std::string(one.name) + " beside");
    made->configure(1, nullptr);
    expect_same_rows(sampled(), plain, {1}, std::string(one.name) + " reset");
    expect_same_rows(sampled(), other, {3}, std::string(one.name) + " beside the reset one");
    for (const int slot : {-1, kSlots}) EXPECT_THROW(made->configure(slot, &others), Error) << one.name;
    made->prepare(batch.view());
    expect_same_rows(sampled(), plain, all, std::string(one.name) + " prepared again");
  }
}

TEST(CudaSamplers, RefusedOptionsChangeNothing) {
  Batch batch = batch_of_130_rows();
  const auto made = sampler("nucleus", {{"temp", "0.7"}}, batch);
  const PluginOptions refused(load_sampler("nucleus"), {{"temp", "nan"}});
  EXPECT_THROW(made->configure(2, &refused), Error);
  Batch expected = batch;
  sampler("nucleus", {{"temp", "0.7"}}, expected)->sample(expected.view());
  made->sample(batch.view());
  EXPECT_EQ(batch.tokens, expected.tokens);
}

}  // namespace
}  // namespace gpt2run::test
