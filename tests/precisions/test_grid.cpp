// The grid of `reference`: which format each part of the network has, what it refuses, and the contract that it names.
#include <gmock/gmock.h>

#include <set>

#include "backend.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "grid.hpp"
#include "support/error_of.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

using grid::Exact;
using grid::Format;
using grid::GridOps;
using grid::RowFormat;
using testing::HasSubstr;

GridOps ops_with(const OptionValues& values) {
  const Plugin& plugin = load_plugin(Kind::precision, "reference");
  return GridOps(PluginOptions(plugin, values), kTestHost);
}

std::string refusal_of(const OptionValues& values) {
  return error_of([&] { ops_with(values); });
}

std::vector<float> some_values(size_t size, uint64_t seed = 1) {
  std::vector<float> values(size);
  for (size_t i = 0; i < size; ++i)
    values[i] =
        static_cast<float>(static_cast<int32_t>(random_bits(seed, 3, static_cast<int32_t>(i)) >> 40) - (1 << 23)) *
        0x1p-23f;
  return values;
}

std::vector<float> rounded(const GridOps& ops, const Site& site, std::vector<float> row) {
  ops.round_row(site, row);
  return row;
}

std::vector<float> rounded(const RowFormat& format, std::vector<float> row) {
  EXPECT_TRUE(grid::round_row(format, row));
  return row;
}

constexpr Site kQkv{Point::weight, Op::norm_qkv, 1, Weight::qkv_w},
    kDown{Point::weight, Op::down_add, 1, Weight::down_w};
constexpr Site kWte{Point::weight, Op::norm_logits, -1, Weight::wte}, kWpe{Point::weight, Op::embed, -1, Weight::wpe};
constexpr Site kHead{Point::weight, Op::norm_logits, -1, Weight::head_w};
constexpr Site kBias{Point::weight, Op::norm_qkv, 1, Weight::qkv_b},
    kGain{Point::weight, Op::norm_logits, -1, Weight::lnf_w};
constexpr Site kNorm{Point::norm, Op::norm_up_gelu, 1, Weight::up_w},
    kLastNorm{Point::norm, Op::norm_logits, -1, Weight::head_w};
constexpr Site kAttention{Point::attention, Op::attention, 1, Weight::proj_w},
    kGelu{Point::gelu, Op::norm_up_gelu, 1, Weight::down_w};
constexpr Site kQ{Point::qkv, Op::norm_qkv, 1, Weight::qkv_w, Projection::q};
constexpr Site kK{Point::qkv, Op::norm_qkv, 1, Weight::qkv_w, Projection::k};
constexpr Site kV{Point::qkv, Op::norm_qkv, 1, Weight::qkv_w, Projection::v};
constexpr Site kAll[] = {kQkv, kDown, kWte, kWpe, kHead, kBias, kGain, kNorm, kLastNorm, kAttention, kGelu, kQ, kK, kV};

struct Expected {
  const char* about;
  OptionValues options;
  std::vector<std::pair<Site, RowFormat>> formats;  // all other sites keep FP32
  const char* contract;
};

TEST(Grid, GivesEachPartItsFormat) {
  const RowFormat q8{Format::int8}, half{Format::fp16}, brain{Format::bf16}, two{Format::bf16x2}, e4m3{Format::e4m3};
  const RowFormat int4 = grid::kInt4Contract, nf4{Format::nf4, 64}, mx{Format::mxfp4, 32};
  const Expected rows[] = {
      {"nothing", {}, {}, "type=fp32"},
      {"w", {{"w", "int8"}}, {{kQkv, q8}, {kDown, q8}}, "w=int8"},
      {"a", {{"a", "int8"}}, {{kNorm, q8}, {kAttention, q8}, {kGelu, q8}}, "a=int8"},
      {"kv", {{"kv", "fp16"}}, {{kK, half}, {kV, half}}, "kv=fp16"},
      {"head", {{"head", "bf16"}}, {{kWte, brain}, {kHead, brain}, {kLastNorm, brain}}, "head=bf16"},
      {"two values of BF16",
       {{"w", "bf16x2"}, {"head", "bf16x2"}},
       {{kQkv, two}, {kDown, two}, {kWte, two}, {kHead, two}, {kLastNorm, two}},
       "w=bf16x2:head=bf16x2"},
      {"head of weights only",
       {{"head", "nf4"}, {"a", "e4m3"}},
       {{kWte, nf4}, {kHead, nf4}, {kNorm, e4m3}, {kAttention, e4m3}, {kGelu, e4m3}, {kLastNorm, e4m3}},
       "a=e4m3:head=nf4"},
      {"head's input",
       {{"head", "int8"}, {"head_input", "fp32"}},
       {{kWte, q8}, {kHead, q8}},
       "head=int8:head_input=fp32"},
      {"int4",
       {{"w", "int4"}, {"group", "32"}, {"zero", "on"}, {"head", "int8"}},
       {{kQkv, int4}, {kDown, int4}, {kWte, q8}, {kHead, q8}, {kLastNorm, q8}},
       "w=int4:group=32:zero=on:head=int8"},
      {"a head as the layers",
       {{"w", "int4"}, {"group", "32"}, {"zero", "on"}, {"head", "int4"}, {"scales", "8"}},
       {{kQkv, int4}, {kDown, int4}, {kWte, int4}, {kHead, int4}},
       "w=int4:group=32:zero=on:head=int4"},
      {"groups",
       {{"w", "mxfp4"}, {"a", "int8"}, {"a_group", "16"}},
       {{kQkv, mx},
        {kDown, mx},
        {kNorm, {Format::int8, 16}},
        {kAttention, {Format::int8, 16}},
        {kGelu, {Format::int8, 16}}},
       "w=mxfp4:a=int8:a_group=16"},
  };
  const std::vector<float> row = some_values(100);
  for (const Expected& one : rows) {
    SCOPED_TRACE(one.about);
    const GridOps ops = ops_with(one.options);
    EXPECT_STREQ(ops.contract(), one.contract);
    for (const Site& site : kAll) {
      RowFormat format;
      for (const auto& [where, what] : one.formats)
        if (where.point == site.point && where.weight == site.weight && where.projection == site.projection)
          format = what;
      EXPECT_EQ(rounded(ops, site, row), rounded(format, row))
          << name_of(site.op) << ", " << name_of(site.weight) << ", point " << int(site.point);
    }
  }
}

// What has no format of its own has that of `type`.
TEST(Grid, TypeIsTheFormatOfAllElse) {
  const std::vector<float> row = some_values(100);
  for (const Type type : {Type::f16, Type::bf16}) {
    const GridOps plain = ops_with({{"type", name_of(type)}}),
                  mixed = ops_with({{"type", name_of(type)}, {"a", "int8"}});
    EXPECT_EQ(plain.contract(), std::string("type=") + name_of(type));
    EXPECT_EQ(mixed.contract(), std::string("type=") + name_of(type) + ":a=int8");
    for (const Site& site : kAll) {
      std::vector<float> expected = row;
      for (float& x : expected) x = round_to(type, x);
      EXPECT_EQ(rounded(plain, site, row), expected);
      if (site.op != Op::norm_logits &&
          (site.point == Point::norm || site.point == Point::attention || site.point == Point::gelu))
        expected = rounded({Format::int8}, row);
      EXPECT_EQ(rounded(mixed, site, row), expected);
    }
  }
}

TEST(Grid, ItsContractGivesTheSameGrid) {
  const OptionValues options = {{"type", "bf16"},
                                {"w", "int4"},
                                {"group", "16"},
                                {"zero", "on"},
                                {"scales", "63"},
                                {"a", "int8"},
                                {"a_group", "8"},
                                {"head", "e4m3"},
                                {"head_input", "int8"},
                                {"kv", "int8"},
                                {"exact", "layer3.weights+attention"}};
  const GridOps first = ops_with(options);
  EXPECT_STREQ(first.contract(),
               "type=bf16:w=int4:group=16:zero=on:scales=63:a=int8:a_group=8:head=e4m3:head_input=int8:kv=int8:"
               "exact=layer3.weights+attention");
  EXPECT_STREQ(ops_with({{"type", "fp16"}, {"w", "fp16"}, {"head", "fp16"}, {"head_input", "fp16"}}).contract(),
               "type=fp16");
}

TEST(Grid, RefusesWhatDoesNotGoTogether) {
  EXPECT_EQ(refusal_of({{"zero", "on"}}), "zero=on: expected w=int8 or w=int4, found fp32");
  EXPECT_EQ(refusal_of({{"w", "e4m3"}, {"zero", "least"}}), "zero=least: expected w=int8 or w=int4, found e4m3");
  EXPECT_EQ(refusal_of({{"group", "32"}}), "group=32: expected a format with scales, found fp32");
  EXPECT_EQ(refusal_of({{"w", "int8"}, {"a_group", "8"}}), "a_group=8: expected a format with scales, found fp32");
  EXPECT_EQ(refusal_of({{"w", "mxfp4"}, {"group", "16"}}), "group=16: mxfp4 has groups of 32");
  EXPECT_EQ(refusal_of({{"w", "int4"}, {"scales", "63"}}), "scales=63: expected w=int4 with zero=on and groups");
  for (const char* exact : {"layer", "layer-1", "layer1x", "nothing", "+", "layer99999999999"})
    EXPECT_THAT(refusal_of({{"exact", exact}}), HasSubstr("exact: expected operations, layers as layer0,")) << exact;
}

TEST(Grid, RefusesTermsOfExactThatContradictThemselves) {
  const std::pair<const char*, const char*> doubled[] = {{"norm_logits.norm_logits", "operation"},
                                                         {"norm_qkv.layer0.attention", "operation"},
                                                         {"weights.activations", "kind of values"},
                                                         {"kv.kv", "kind of values"},
                                                         {"layer0.layer1", "layer"}};
  for (const auto& [term, what] : doubled)
    EXPECT_EQ(refusal_of({{"exact", std::string("embed+") + term}}),
              std::string("exact: the term '") + term + "': expected at most one " + what + ", found two");
  for (const std::string term : {"layer0.embed", "layer1.norm_logits", "attention.weights", "embed.activations",
                                 "down_add.activations", "norm_up_gelu.kv", "layer0.norm_logits.weights"})
    EXPECT_THAT(refusal_of({{"exact", "kv+" + term}}), HasSubstr("exact: the term '" + term + "': ")) << term;
  for (const char* term : {"layer9", "embed", "embed.weights", "attention", "layer0.project_add", "norm_qkv.kv",
                           "layer0.down_add.weights", "norm_logits.activations", "attention.activations"})
    EXPECT_EQ(refusal_of({{"exact", term}}), "no error") << term;
}

TEST(Grid, RefusesLayersThatTheModelDoesNotHave) {
  const TinyCheckpoint checkpoint;
  const int layers = checkpoint.config().L;
  const auto refusal = [&](const std::string& exact) {
    return error_of([&] { ops_with({{"w", "int8"}, {"exact", exact}}).load(checkpoint); });
  };
  const std::string last = "layer" + std::to_string(layers - 1), beyond = "layer" + std::to_string(layers);
  EXPECT_EQ(refusal(last + ".weights"), "no error");
  EXPECT_EQ(refusal(last + "+" + beyond + ".weights"),
            "reference: exact=" + last + "+" + beyond + ".weights: the term '" + beyond +
                ".weights': expected a layer below " + std::to_string(layers) +
                ", the number of the model's layers, found " + beyond);
}

TEST(Grid, ExactKeepsPartsInFp32) {
  const auto held = [](const char* text) {
    const Exact exact{text};
    std::set<size_t> held;
    for (size_t i = 0; i < std::size(kAll); ++i)
      if (exact.holds(kAll[i])) held.insert(i);
    return held;
  };
  using Set = std::set<size_t>;
  EXPECT_EQ(held(""), Set());
  EXPECT_EQ(held("weights"), (Set{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(held("activations"), (Set{7, 8, 9, 10, 11}));
  EXPECT_EQ(held("kv"), (Set{12, 13}));
  EXPECT_EQ(held("norm_logits"), (Set{2, 4, 6, 8}));
  EXPECT_EQ(held("layer0"), Set());
  EXPECT_EQ(held("layer1"), (Set{0, 1, 5, 7, 9, 10, 11, 12, 13}));
  EXPECT_EQ(held("norm_qkv.weights"), (Set{0, 5}));
  EXPECT_EQ(held("layer1.down_add+embed+layer0"), (Set{1, 3}));

  const GridOps ops = ops_with({{"w", "int8"}, {"a", "int8"}, {"exact", "down_add+layer1.attention"}});
  const std::vector<float> row = some_values(64);
  EXPECT_EQ(rounded(ops, kDown, row), row);
  EXPECT_EQ(rounded(ops, kAttention, row), row);
  EXPECT_NE(rounded(ops, kQkv, row), row);
  EXPECT_NE(rounded(ops, kGelu, row), row);
}

TEST(Grid, ATiedModelEmbedsTheHeadsValues) {
  const TinyCheckpoint checkpoint;
  const ReferenceWeights weights = ops_with({{"head", "int8"}}).load(checkpoint);
  EXPECT_EQ(weights.head.w, weights.embedding.wte.data());
  const Tensor wte = checkpoint.tensor(Weight::wte, 0);
  const size_t C = checkpoint.config().C;
  for (int64_t token = 0; token < wte.rows; ++token) {
    std::vector<float> row(C);
    for (size_t c = 0; c < C; ++c) row[c] = at(wte, token, int64_t(c));
    const auto* own = &weights.embedding.wte[size_t(token) * C];
    EXPECT_EQ(std::vector<float>(own, own + C), rounded({Format::int8}, row));
  }
}

// Quantising them again would give other codes.
TEST(Grid, TakesStoredInt4WeightsAsTheyAre) {
  // The second group needs 7.6 / 8 of the first one's step and gets it whole, so that it uses fifteen codes.
  std::vector<float> row(64, 0.1f);
  row[0] = -7.5f, row[1] = 7.5f, row[32] = -0.95f * 7.5f, row[33] = 0.95f * 7.5f;
  row = rounded(grid::kInt4Contract, row);
  Site site = kQkv;
  const GridOps int4 = ops_with({{"w", "int4"}, {"group", "32"}, {"zero", "on"}});
  EXPECT_NE(rounded(int4, site, row), row) << "not a row that changes";
  float scale = 1;
  uint8_t groups[] = {0x77, 0x77};
  Tensor tensor{nullptr, Type::u4, 1, 64, 64, 1, &scale, groups, kInt4Group};
  site.stored = tensor.type, site.tensor = &tensor;
  EXPECT_EQ(rounded(int4, site, row), row);
  EXPECT_EQ(rounded(ops_with({{"w", "int8"}}), site, row), rounded({Format::int8}, row));
  // What another quantiser has written is a row of values.
  const auto again = rounded(grid::kInt4Contract, row);
  tensor.group = 2 * kInt4Group;
  EXPECT_EQ(rounded(int4, site, row), again);
  tensor.group = kInt4Group, groups[1] = 0x87;  // the factor 9
  EXPECT_EQ(rounded(int4, site, row), again);
  groups[1] = 0x77;
  for (const float other : {0x1.00002p0f, -1.0f, INFINITY, NAN}) {
    scale = other;
    EXPECT_EQ(rounded(int4, site, row), again) << other;
  }
}

TEST(Grid, RefusesWeightsThatAreNoNumbersByName) {
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    TinyCheckpoint checkpoint;
    checkpoint.values(Weight::down_w, 1)[size_t(3) * checkpoint.config().F + 2] = bad;
    const auto loaded = [&](const OptionValues& options) {
      return error_of([&] { ops_with(options).load(checkpoint); });
    };
    EXPECT_EQ(loaded({{"w", "int8"}}),
              "weight down_w of layer 1, row 3: expected finite numbers for int8, found infinity or NaN");
    for (const char* format : {"int4", "e4m3", "e5m2", "mxfp4", "nf4"})
      EXPECT_THAT(loaded({{"w", format}}), HasSubstr("weight down_w of layer 1, row 3: "));
    EXPECT_EQ(loaded({{"type", "fp16"}}), "no error");
    EXPECT_EQ(loaded({{"w", "int8"}, {"exact", "down_add"}}), "no error");
    checkpoint.values(Weight::down_w, 1)[size_t(3) * checkpoint.config().F + 2] = 0;
    checkpoint.values(Weight::wte, 0)[5] = bad;
    EXPECT_EQ(loaded({{"w", "int8"}}), "no error");
    EXPECT_EQ(loaded({{"head", "int8"}}), "weight wte, row 0: expected finite numbers for int8, found infinity or NaN");
  }
  TinyCheckpoint checkpoint;
  checkpoint.values(Weight::up_w, 0)[0] = 3e38f, checkpoint.values(Weight::up_w, 0)[1] = -3e38f;
  EXPECT_THAT(error_of([&] {
                ops_with({{"w", "int4"}, {"group", "32"}, {"zero", "on"}}).load(checkpoint);
              }),
              HasSubstr("weight up_w of layer 0, row 0: "));
}

TEST(Grid, ActivationsThatAreNoNumbersMakeTheirRowNan) {
  for (const char* format : {"int8", "int4", "e4m3", "e5m2", "mxfp4"}) {
    const GridOps ops = ops_with({{"a", format}, {"kv", format}});
    for (const float bad : {INFINITY, -INFINITY, NAN}) {
      for (const Site& site : {kNorm, kAttention, kGelu, kK, kV}) {
        for (const float x : rounded(ops, site, {1, 2, bad, 3})) EXPECT_TRUE(std::isnan(x)) << format;
      }
      EXPECT_EQ(rounded(ops, kQ, {1, 2, 3}), (std::vector<float>{1, 2, 3}));
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
