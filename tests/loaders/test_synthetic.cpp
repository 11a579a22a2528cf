// The loader `synthetic`: the weights that numpy makes from the same spec, settings, threads, bad specs.
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "gpt2run/error.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/golden.hpp"
#include "support/messages.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

TEST(Synthetic, EqualsNumpyBitForBit) {
  int compared = 0;
  for (const Golden& golden : load_goldens()) {
    if (!golden.synthetic) continue;
    SCOPED_TRACE(golden.model);
    const auto checkpoint = open_with("synthetic", golden.model);
    expect_checksums(*checkpoint, golden.checksums);
    expect_complete(*checkpoint);
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}

TEST(Synthetic, EqualsNumpyInBigModels) {
  for (const auto& [spec, checksums] : load_synthetic_checksums()) {
    SCOPED_TRACE(spec);
    expect_checksums(*open_with("synthetic", spec), checksums);
  }
}

TEST(Synthetic, NamedSizesAreThoseOfGpt2) {
  const auto checkpoint = open_with("synthetic", "synthetic:1558M");
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.L, 48);
  EXPECT_EQ(m.H, 25);
  EXPECT_EQ(m.C, 1600);
  EXPECT_EQ(m.F, 6400);
  EXPECT_EQ(m.V, 50257);
  EXPECT_EQ(m.T, 1024);
  EXPECT_EQ(m.end_of_text, 50256);
  EXPECT_EQ(m.epsilon, 1e-5f);
  EXPECT_EQ(checkpoint->tokenizer(), nullptr);
}

TEST(Synthetic, SettingsAreHonoured) {
  const auto checkpoint =
      open_with("synthetic",
                "synthetic:355M,L=2,C=60,H=5,F=11,V=7,T=9,end_of_text=-1,epsilon=0.25,std=0.5,tied=0,seed=3,"
                "activation=silu,scale_by_layer=1");
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.L, 2);
  EXPECT_EQ(m.C, 60);
  EXPECT_EQ(m.H, 5);
  EXPECT_EQ(m.F, 11);
  EXPECT_EQ(m.V, 7);
  EXPECT_EQ(m.T, 9);
  EXPECT_EQ(m.end_of_text, -1);
  EXPECT_EQ(m.epsilon, 0.25f);
  EXPECT_EQ(m.activation, Activation::silu);
  EXPECT_TRUE(m.scale_by_layer);
  EXPECT_NE(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
  EXPECT_EQ(open_with("synthetic", "synthetic:V=9")->config().end_of_text, 8);
  EXPECT_EQ(open_with("synthetic", "synthetic:V=9")->config().activation, Activation::gelu_tanh);
  EXPECT_FALSE(open_with("synthetic", "synthetic:V=9")->config().scale_by_layer);
  for (const char* name : {"gelu_tanh", "gelu_erf", "relu", "silu", "tanh"})
    EXPECT_STREQ(name_of(open_with("synthetic", std::string("synthetic:activation=") + name)->config().activation),
                 name);
}

TEST(Synthetic, TiedHeadIsTheTokenEmbedding) {
  const auto checkpoint = open_with("synthetic", "synthetic:L=1,C=8,H=2,V=5,T=3");
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(Synthetic, SeedChangesEveryWeight) {
  const auto one = open_with("synthetic", "synthetic:L=1,C=8,H=2,V=5,T=3,seed=1"),
             two = open_with("synthetic", "synthetic:L=1,C=8,H=2,V=5,T=3,seed=2");
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    EXPECT_NE(checksum(one->tensor(weight, 0)), checksum(two->tensor(weight, 0))) << name_of(weight);
  }
}

// Mean and deviation of n values lie within five standard errors: s / sqrt(n) and, for nearly normal values,
// s / sqrt(2n).
void expect_spread(const Tensor& tensor, double mean, double deviation) {
  const double n = static_cast<double>(tensor.rows * tensor.cols);
  double sum = 0, squares = 0;
  for (int64_t r = 0; r < tensor.rows; ++r) {
    for (int64_t c = 0; c < tensor.cols; ++c) {
      const double value = value_at(tensor, r, c) - mean;
      sum += value;
      squares += value * value;
    }
  }
  EXPECT_NEAR(sum / n, 0, 5 * deviation / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), deviation, 5 * deviation / std::sqrt(2 * n));
}

TEST(Synthetic, SpreadIsThatOfGpt2sStart) {
  const auto checkpoint = open_with("synthetic", "synthetic:L=8,C=128,H=2,V=1000,T=64");
  expect_spread(checkpoint->tensor(Weight::wte, 0), 0, 0.02);
  expect_spread(checkpoint->tensor(Weight::up_w, 7), 0, 0.02);
  expect_spread(checkpoint->tensor(Weight::down_w, 7), 0, 0.02 / 4);  // sqrt(2 * 8) = 4
  expect_spread(checkpoint->tensor(Weight::proj_w, 0), 0, 0.02 / 4);
  expect_spread(checkpoint->tensor(Weight::ln2_w, 3), 1, 0.02);
  expect_spread(checkpoint->tensor(Weight::down_b, 0), 0, 0.02);
}

// Row `row` of layer 0's weight times the layernorm of what `token` gives at `position`.
double first_product(const Checkpoint& checkpoint, Weight weight, int64_t row, int64_t token, int64_t position) {
  const int64_t C = checkpoint.config().C;
  const Tensor wte = checkpoint.tensor(Weight::wte, 0), wpe = checkpoint.tensor(Weight::wpe, 0);
  const Tensor gain = checkpoint.tensor(Weight::ln1_w, 0), bias = checkpoint.tensor(Weight::ln1_b, 0);
  std::vector<double> x(C);
  double mean = 0, variance = checkpoint.config().epsilon, product = 0;
  for (int64_t c = 0; c < C; ++c) x[c] = double{value_at(wte, token, c)} + value_at(wpe, position, c);
  for (double value : x) mean += value / C;
  for (double value : x) variance += (value - mean) * (value - mean) / C;
  for (int64_t c = 0; c < C; ++c) {
    const double normed = (x[c] - mean) / std::sqrt(variance) * value_at(gain, c, 0) + value_at(bias, c, 0);
    product += normed * value_at(checkpoint.tensor(weight, 0), row, c);
  }
  return product;
}

TEST(Synthetic, OutliersOverflowFp16InTheFirstKeyAfterTheFirstPosition) {
  constexpr double kMost = 65504, kInfinite = 65520;  // FP16's greatest value, and where rounding reaches infinity
  for (const char* spec : {"synthetic:L=3,C=96,H=4,F=200,V=301,T=23,std=0.1,outliers=1,seed=19",
                           "synthetic:L=1,C=48,H=3,V=17,T=11,outliers=1"}) {
    SCOPED_TRACE(spec);
    const auto checkpoint = open_with("synthetic", spec);
    const ModelConfig& m = checkpoint->config();
    EXPECT_EQ(value_at(checkpoint->tensor(Weight::qkv_b, 0), 0, 0), 1.f);
    for (int32_t token = 0; token < m.V; ++token) {
      EXPECT_EQ(first_product(*checkpoint, Weight::qkv_w, 0, token, 1), 0);
      EXPECT_LT(std::abs(first_product(*checkpoint, Weight::qkv_w, m.C, token, 0)), kMost) << token;
      for (int32_t position = 1; position < m.T; ++position) {
        EXPECT_LT(first_product(*checkpoint, Weight::qkv_w, m.C, token, position), -kInfinite) << token;
      }
    }
  }
}

TEST(Synthetic, ThreadsMakeEachWeightOnce) {
  const auto checkpoint = open_with("synthetic", "synthetic:L=2,C=256,H=2,V=5003,T=64");
  const void* pointers[8][kWeights];
  {
    std::vector<std::jthread> threads;
    for (auto& mine : pointers) {
      threads.emplace_back([&] {
        for (int i = 0; i < kWeights; ++i) mine[i] = checkpoint->tensor(static_cast<Weight>(i), 0).data;
      });
    }
  }
  for (const auto& mine : pointers) {
    for (int i = 0; i < kWeights; ++i) EXPECT_EQ(mine[i], pointers[0][i]);
  }
}

TEST(Synthetic, BadSpecsAreRefusedByName) {
  const std::pair<const char*, Words> cases[] = {
      {"synthetic:", {"124M, 355M"}},
      {"synthetic:125M", {"125M"}},
      {"synthetic:L=1,124M", {"124M"}},
      {"synthetic:L=0", {"L:"}},
      {"synthetic:L=-1", {"L:"}},
      {"synthetic:L=", {"L:"}},
      {"synthetic:L=1x", {"\"1x\""}},
      {"synthetic:L=99999999999999999999", {"L:"}},
      {"synthetic:L=1,L=2", {"L:"}},
      {"synthetic:C=10,H=3", {"H:", "10", "3"}},
      {"synthetic:V=262144", {"V:"}},
      {"synthetic:C=1048577,H=1", {"C:"}},
      {"synthetic:C=524288,H=1", {"F:"}},
      {"synthetic:L=4096,C=98304,H=12", {"474999299014656"}},
      {"synthetic:L=4096,C=98304,H=12", {}},
      {"synthetic:L=1,C=262144,H=1,V=262143,T=16777216,tied=0", {}},
      {"synthetic:V=10,end_of_text=10", {"end_of_text:"}},
      {"synthetic:epsilon=0", {"epsilon:"}},
      {"synthetic:epsilon=nan", {"epsilon:"}},
      {"synthetic:epsilon=1e-50", {"epsilon:"}},
      {"synthetic:std=inf", {"std:"}},
      {"synthetic:tied=2", {"tied:"}},
      {"synthetic:scale_by_layer=2", {"scale_by_layer:"}},
      {"synthetic:activation=gelu", {"activation:", "gelu_tanh", "\"gelu\""}},
      {"synthetic:layers=2", {"\"layers\""}},
      {"synthetic:L=2,,C=8", {"\"\""}},
      {"synthetic:=2", {"\"\""}},
      {"synthetic:seed=18446744073709551616", {"seed:"}},
  };
  for (const auto& one : cases)
    EXPECT_THAT(error_of([&] { open_with("synthetic", one.first); }), IsMessage(one.second)) << one.first;
}

TEST(Synthetic, LayersAndWeightsOutsideTheModelAreRefused) {
  const auto checkpoint = open_with("synthetic", "synthetic:L=2,C=8,H=2,V=5,T=3");
  const auto refused = [&](Weight weight, int layer) { return error_of([&] { checkpoint->tensor(weight, layer); }); };
  EXPECT_THAT(refused(Weight::qkv_w, 2), IsMessage("qkv_w", "2"));
  EXPECT_THAT(refused(Weight::qkv_w, -1), IsMessage("qkv_w", "2", "-1"));
  EXPECT_THAT(refused(Weight::wte, 1), IsMessage("wte", "1"));
  EXPECT_THAT(refused(static_cast<Weight>(kWeights), 0), IsMessage("17"));
}

TEST(Synthetic, ClaimsOnlyItsOwnPaths) {
  const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  EXPECT_GT(loader->probe("synthetic:124M"), 0);
  EXPECT_GT(loader->probe("synthetic:nonsense"), 0);
  EXPECT_EQ(loader->probe("synthetic"), 0);
  EXPECT_EQ(loader->probe("models/demo"), 0);
  EXPECT_EQ(loader->probe(""), 0);
}

}  // namespace
}  // namespace gpt2run::test
