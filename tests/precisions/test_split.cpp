// FP32 as two BF16 values (docs/numerics.md, `amx-split`): the format, the products, and cpu-fp32 with this contract.
#include <bit>
#include <random>

#include "../common/two_bf16.hpp"
#include "backend.hpp"
#include "grid.hpp"
#include "quantised.hpp"
#include "vector.hpp"

namespace gpt2run::test {
namespace {

using cpu::portable::rounded;
using cpu::portable::splat16;
using cpu::portable::TwoBf16;

bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

float by_vectors(float x) { return rounded<TwoBf16>(splat16(x)).part[0][0]; }

TEST(TwoBf16, IsTheSumOfTwoNearestValues) {
  std::mt19937 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const float x = std::bit_cast<float>(uint32_t(random())), own = round_to_two_bf16(x);
    ASSERT_PRED2(same, by_vectors(x), own) << x;
    ASSERT_PRED2(same, round_to_two_bf16(own), own) << x;
    if (!std::isfinite(own)) continue;
    const float high = round_to(Type::bf16, own), low = own - high;
    ASSERT_EQ(round_to(Type::bf16, low), low) << x;
    ASSERT_LE(std::abs(double(own) - x), std::max(0x1p-17 * std::abs(x), 0x1p-134)) << x;
  }
  for (const float x : {0.0f, -0.0f, 1.0f, INFINITY, -INFINITY, NAN, 0x1p-149f, 0x1.ffffp-127f})
    EXPECT_PRED2(same, by_vectors(x), round_to_two_bf16(x)) << x;
  EXPECT_PRED2(same, round_to_two_bf16(-0.0f), -0.0f);
  EXPECT_EQ(round_to_two_bf16(0x1.fffffep127f), INFINITY);
  EXPECT_EQ(round_to_two_bf16(0x1.0101p0f), 0x1.0101p0f);  // 16 digits behind the point
  EXPECT_EQ(round_to_two_bf16(0x1.010101p0f), 0x1.0101p0f);
}

class Split : public testing::TestWithParam<Backend> {
 protected:
  cpu::Isa isa() const { return cpu::choose_isa(GetParam().options.at("isa"), Type::f32); }
};
INSTANTIATE_TEST_SUITE_P(All, Split, testing::ValuesIn(split_backends()), row_name);

// A product of parts is within 2^-16 of the product, as the two low parts are each at most 2^-8 of their number. What
// the order of sums adds is in the other term (lockstep.hpp).
TEST_P(Split, ProductsAreWithinTheBoundOfTheLowParts) {
  using Packing = cpu::TilePacking<float>;
  constexpr int K = 770, kOutputs = 70;
  std::mt19937 random(2);
  const auto value = [&] { return round_to_two_bf16(float(int32_t(random())) * 0x1p-31f); };
  for (const int rows : {1, 4, 5, 40}) {
    std::vector<float> x(rows * K), w(kOutputs * K), packed(Packing::Weights::elements(kOutputs, K));
    for (float& one : x) one = value();
    for (int i = 0; i < kOutputs * K; ++i) packed[Packing::Weights::at(i / K, i % K, K)] = w[i] = value();
    std::vector<float> y(rows * kOutputs), workspace(Packing::workspace(rows, K));
    cpu::kernels_of<float>(isa()).linear(x.data(), rows, K, packed.data(), K, kOutputs, y.data(), kOutputs,
                                         workspace.data());
    for (int i = 0; i < rows * kOutputs; ++i) {
      double sum = 0, size = 0;
      for (int k = 0; k < K; ++k) {
        const double product = double(x[i / kOutputs * K + k]) * w[i % kOutputs * K + k];
        sum += product, size += std::abs(product);
      }
      ASSERT_LE(std::abs(y[i] - sum), (0x1p-16 + 0x1p-20) * size) << rows << " rows, " << i;
    }
  }
}

// Two numbers of 1 + 2^-8, whose parts are 1 and 2^-8. Their product is 1 + 2^-7 + 2^-16.
TEST_P(Split, TheProductOfTheLowPartsIsLeftOut) {
  using Packing = cpu::TilePacking<float>;
  const float x = 0x1.01p0f;
  std::vector<float> w(Packing::Weights::elements(1, 1)), workspace(Packing::workspace(1, 1));
  w[0] = x;
  float y = NAN;
  cpu::kernels_of<float>(isa()).linear(&x, 1, 1, w.data(), 1, 1, &y, 1, workspace.data());
  EXPECT_EQ(y, 0x1.02p0f);
}

std::unique_ptr<Checkpoint> open_model() {
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  return loader->open("synthetic:L=4,C=96,H=4,F=200,V=301,T=64,std=0.1,seed=5");
}

TEST_P(Split, NamesItsOrderAndItsContract) {
  const auto checkpoint = open_model();
  const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint));
  EXPECT_STREQ(session->traits().order, "amx-split");
  const std::string contract = session->traits().contract;
  const PluginOptions options(load_precision("reference"), options_of(contract));
  EXPECT_EQ(grid::GridOps(options, kTestHost).contract(), contract);
}

// The contract's own error is what its reference has against FP32. The low parts that are left out add less than that.
TEST_P(Split, ErrorIsThatOfTheContract) {
  const auto checkpoint = open_model();
  const auto tokens = some_tokens(64, checkpoint->config().V);
  const auto exact = logits_of(reference(Type::f32), *checkpoint, tokens);
  const auto rounded = logits_of(reference_of(contract_of(GetParam())), *checkpoint, tokens);
  const auto own = logits_of(GetParam(), *checkpoint, tokens);
  const double of_contract = rms_error(rounded, exact);
  EXPECT_GT(of_contract, 0.0);
  EXPECT_GE(rms_error(own, exact), 0.5 * of_contract);
  EXPECT_LE(rms_error(own, exact), 2 * of_contract);
  EXPECT_LE(rms_error(own, rounded), 1.5 * of_contract);
  const double tolerance = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint))->traits().tolerance;
  EXPECT_LE(rms_error(own, exact), tolerance * rms(exact));
}

// A prompt at once, in pieces and by token; alone and beside another slot; on one thread and on two.
TEST_P(Split, KeepsTheBitsOfEveryWayToRunIt) {
  const auto checkpoint = open_model();
  const auto tokens = some_tokens(40, checkpoint->config().V);
  const auto logits_in = [&](int threads, const std::vector<size_t>& ends, int slots) {
    const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint, slots, threads));
    if (slots > 1) feed(*session, 1, {tokens.begin(), tokens.begin() + 7});
    std::vector<float> logits;
    for (const size_t end : ends) {
      const size_t begin = logits.size() / checkpoint->config().V;
      const auto part = feed(*session, 0, {tokens.begin() + begin, tokens.begin() + end});
      logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
  };
  const auto expected = logits_in(1, {40}, 1);
  for (const float logit : expected) ASSERT_TRUE(std::isfinite(logit));
  EXPECT_EQ(logits_in(2, {1, 2, 6, 11, 40}, 1), expected);
  EXPECT_EQ(logits_in(1, {3, 40}, 2), expected);
}

TEST(SplitIsa, IsNeverTakenByItself) {
  cpu::Processor sapphire_rapids;
  sapphire_rapids.vendor = cpu::Processor::Vendor::intel;
  sapphire_rapids.avx2 = sapphire_rapids.avx512 = sapphire_rapids.avx512bf16 = sapphire_rapids.amx = true;
  EXPECT_EQ(cpu::choose_isa("auto", Type::f32, sapphire_rapids), cpu::Isa::avx512);
  EXPECT_EQ(cpu::choose_isa("amx-split", Type::f32, sapphire_rapids), cpu::Isa::amx);
  EXPECT_THROW(cpu::choose_isa("amx", Type::f32, sapphire_rapids), Error);
  EXPECT_THROW(cpu::choose_isa("amx-split", Type::bf16, sapphire_rapids), Error);
}

}  // namespace
}  // namespace gpt2run::test
