// What a type does to the weights: counts and errors of values chosen for it, and the report's table.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "gpt2run/evaluation/rounding_report.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "loaders/weights.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

const RoundingReport& find(const std::vector<RoundingReport>& all, Weight weight, int layer) {
  for (const RoundingReport& one : all)
    if (one.weight == weight && one.layer == layer) return one;
  throw std::runtime_error("no such tensor");
}

// Values of one tensor; the rest of it is 0.
std::vector<RoundingReport> with(Weight weight, int layer, std::initializer_list<float> values, Type to) {
  TinyCheckpoint model;
  std::vector<float>& all = model.values(weight, layer);
  std::fill(all.begin(), all.end(), 0.f);
  std::copy(values.begin(), values.end(), all.begin());
  return rounding_report_of(model, to);
}

TEST(RoundingReport, EveryTensorOnceInOrder) {
  const TinyCheckpoint model;
  const auto all = rounding_report_of(model, Type::f16);
  ASSERT_EQ(all.size(), 4u + 12 * 2);  // the head is wte's
  for (size_t i = 1; i < all.size(); ++i)
    EXPECT_LT(std::pair(all[i - 1].weight, all[i - 1].layer), std::pair(all[i].weight, all[i].layer));
  EXPECT_EQ(find(all, Weight::qkv_w, 1).count, 36 * 12);
  EXPECT_EQ(find(all, Weight::qkv_w, 1).from, Type::f32);
}

TEST(RoundingReport, CountsInFp16) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  // Half of the smallest subnormal ties to 0; what lies above it becomes it. 65519 rounds down, 65520 does not.
  const auto all = with(
      Weight::up_w, 1,
      {0x1p-25f, -0x1p-26f, 0x1.8p-25f, 0x1p-24f, 0x1p-15f, -0x1p-14f, 65519, 65520, -1e9f, kInfinity, -std::nanf("")},
      Type::f16);
  const RoundingReport& one = find(all, Weight::up_w, 1);
  EXPECT_EQ(one.count, 20 * 12);
  EXPECT_EQ(one.underflow, 2);
  EXPECT_EQ(one.subnormal, 3);
  EXPECT_EQ(one.overflow, 2);
  EXPECT_EQ(one.not_finite, 2);
  EXPECT_EQ(one.largest, 1e9f);
  const RoundingReport& other = find(all, Weight::up_w, 0);
  EXPECT_EQ(other.underflow + other.subnormal + other.overflow + other.not_finite, 0);
}

TEST(RoundingReport, CountsInBf16) {
  const auto all =
      with(Weight::down_b, 0, {0x1p-126f, 0x1p-127f, 0x1p-134f, std::numeric_limits<float>::max(), 65520}, Type::bf16);
  const RoundingReport& one = find(all, Weight::down_b, 0);
  EXPECT_EQ(one.underflow, 1);  // 2^-134 is half of the smallest, 2^-133
  EXPECT_EQ(one.subnormal, 1);
  EXPECT_EQ(one.overflow, 1);
}

TEST(RoundingReport, ErrorIsRelativeToTheTensor) {
  // 1 + 2^-11 and 2 + 2^-10 tie to the even neighbours 1 and 2: errors 2^-11 and 2^-10.
  const auto all = with(Weight::wpe, 0, {1 + 0x1p-11f, -(2 + 0x1p-10f), 4}, Type::f16);
  const double squares = (1 + 0x1p-11) * (1 + 0x1p-11) * 5 + 16;
  EXPECT_DOUBLE_EQ(find(all, Weight::wpe, 0).error, std::sqrt((0x1p-22 + 0x1p-20) / squares));
  EXPECT_EQ(find(with(Weight::wpe, 0, {}, Type::f16), Weight::wpe, 0).error, 0);
  for (const RoundingReport& one : rounding_report_of(TinyCheckpoint(), Type::f32)) EXPECT_EQ(one.error, 0);
}

// Half a unit in the last place is the most, a uniform spread of the rest about 0.29 of one: the type's own size.
TEST(RoundingReport, ErrorOfOrdinaryWeightsIsThatOfTheType) {
  for (const auto& [type, unit] : {std::pair(Type::f16, 0x1p-10), std::pair(Type::bf16, 0x1p-7)}) {
    for (const RoundingReport& one : rounding_report_of(TinyCheckpoint(), type)) {
      EXPECT_LE(one.error, unit / 2) << name_of(one.weight);
      EXPECT_GT(one.error, unit / 40) << name_of(one.weight);
    }
  }
}

// A file that stores its matrices turned: the same numbers as the same model elsewhere.
TEST(RoundingReport, LayoutDoesNotMatter) {
  const auto huggingface = open_huggingface(SOURCE_DIR "/models/demo");
  const ScratchFolder folder;
  const std::string file = (folder.path() / "demo.bin").string();
  const Outcome made = run_program(BINARY_DIR "/bin/gpt2convert -m " SOURCE_DIR "/models/demo --to llmc -o " + file);
  ASSERT_EQ(made.code, 0) << made.err;
  const auto llmc = open_with("llmc", file);
  const auto a = rounding_report_of(*huggingface, Type::bf16), b = rounding_report_of(*llmc, Type::bf16);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].largest, b[i].largest);
    EXPECT_EQ(a[i].underflow, b[i].underflow);
    EXPECT_NEAR(a[i].error, b[i].error, 1e-12);  // sums in double, in another order
  }
}

TEST(WeightReport, IsATable) {
  const std::string command = BINARY_DIR "/bin/gpt2run -q --report weights -m " SOURCE_DIR "/models/demo --precision ";
  const Outcome done = run_program(command + "fp16");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  std::istringstream lines(done.out);
  std::string line, last;
  size_t count = 0;
  for (; std::getline(lines, line); ++count) last = line;
  EXPECT_EQ(count, 2 + 4 + 12 * 6 + 1u);
  EXPECT_NE(done.out.find("\nqkv_w.5    fp32       110592 "), std::string::npos) << done.out;
  EXPECT_EQ(last.substr(0, 28),
            "all              "
            "    3652608");
  const Outcome same = run_program(command + "reference:type=fp16");
  EXPECT_EQ(same.out, done.out);
}

}  // namespace
}  // namespace gpt2run::test
