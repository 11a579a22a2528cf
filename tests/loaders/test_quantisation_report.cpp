// What int8 and int4 do to the weights: counts and errors of values chosen for it, and the table of --report weights.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "common/pipeline/weight_report.hpp"
#include "gpt2run/evaluation/quantisation_report.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "support/plugin.hpp"
#include "support/quantised_checkpoint.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

const QuantisationReport& find(const std::vector<QuantisationReport>& all, Weight weight, int layer) {
  for (const QuantisationReport& one : all)
    if (one.weight == weight && one.layer == layer) return one;
  throw std::runtime_error("no such tensor");
}

// The first row of up_w of layer 1; the rest of it is 0.
QuantisationReport with(std::initializer_list<float> values, Type to) {
  TinyCheckpoint model;
  std::vector<float>& all = model.values(Weight::up_w, 1);
  std::fill(all.begin(), all.end(), 0.f);
  std::copy(values.begin(), values.end(), all.begin());
  return find(quantisation_report_of(model, to, Type::i8), Weight::up_w, 1);
}

TEST(QuantisationReport, EveryMatrixOnceInOrder) {
  for (const Type type : {Type::i8, Type::u4}) {
    const auto all = quantisation_report_of(TinyCheckpoint(), type, type);
    ASSERT_EQ(all.size(), 1u + 4 * 2);  // the head is wte's
    for (size_t i = 1; i < all.size(); ++i)
      EXPECT_LT(std::pair(all[i - 1].weight, all[i - 1].layer), std::pair(all[i].weight, all[i].layer));
    EXPECT_EQ(find(all, Weight::qkv_w, 1).count, 36 * 12);
    EXPECT_EQ(find(all, Weight::qkv_w, 1).from, Type::f32);
  }
  EXPECT_THROW(quantisation_report_of(TinyCheckpoint(), Type::f16, Type::i8), Error);
  EXPECT_THROW(quantisation_report_of(TinyCheckpoint(), Type::i8, Type::f16), Error);
}

// The embedding has a type of its own, with the errors of that type, and is left out where it is not quantised.
TEST(QuantisationReport, EmbeddingAndHeadHaveATypeOfTheirOwn) {
  const TinyCheckpoint model;
  const auto int8 = quantisation_report_of(model, Type::i8, Type::i8),
             int4 = quantisation_report_of(model, Type::u4, Type::u4),
             mixed = quantisation_report_of(model, Type::u4, Type::i8);
  EXPECT_EQ(find(mixed, Weight::wte, 0).to, Type::i8);
  EXPECT_EQ(find(mixed, Weight::wte, 0).error, find(int8, Weight::wte, 0).error);
  EXPECT_LT(find(mixed, Weight::wte, 0).error, find(int4, Weight::wte, 0).error);
  EXPECT_EQ(find(mixed, Weight::up_w, 1).to, Type::u4);
  EXPECT_EQ(find(mixed, Weight::up_w, 1).error, find(int4, Weight::up_w, 1).error);
  const auto layers = quantisation_report_of(model, Type::u4, std::nullopt);
  EXPECT_EQ(layers.size(), 4u * 2);
  EXPECT_EQ(layers.front().weight, Weight::qkv_w);
}

// 127 is scaled by 1, so codes are the values: 0.5 ties to 0, and 0.25 is off by itself.
TEST(QuantisationReport, CountsInInt8) {
  const QuantisationReport one = with({127, -3, 0.5f, 0.25f, -1.5f, 0}, Type::i8);
  EXPECT_EQ(one.count, 20 * 12);
  EXPECT_EQ(one.scale, 1);
  EXPECT_EQ(one.largest, 127);
  EXPECT_EQ(one.zeroed, 2);
  EXPECT_EQ(one.clipped, 0);
  const double squares = 127 * 127 + 9 + 0.25 + 0.0625 + 2.25, errors = 0.25 + 0.0625 + 0.25;
  EXPECT_DOUBLE_EQ(one.error, std::sqrt(errors / squares));
}

// A group from -1 to 14 needs a step of 1, which is 8 times the row's scale of 1/8; its zero point is 1.
TEST(QuantisationReport, CountsInInt4) {
  const QuantisationReport exact = with({-1, 14, 3, 0.25f, -0.25f, 7}, Type::u4);
  EXPECT_EQ(exact.scale, 0.125);
  EXPECT_EQ(exact.zeroed, 2);
  EXPECT_EQ(exact.clipped, 0);
  EXPECT_DOUBLE_EQ(exact.error, std::sqrt(0.125 / (1 + 196 + 9 + 0.125 + 49)));
  // From -7.5 to 7.5 the zero point is 7.5, which ties to 8: 7.5 would be 16 of 15 and becomes 7.
  const QuantisationReport clipped = with({-7.5f, 7.5f, 1}, Type::u4);
  EXPECT_EQ(clipped.scale, 0.125);
  EXPECT_EQ(clipped.clipped, 1);
  EXPECT_DOUBLE_EQ(clipped.error, std::sqrt(0.5 / (2 * 56.25 + 1)));
}

TEST(QuantisationReport, RowsThatAreNotFiniteCountAsSuch) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Type type : {Type::i8, Type::u4}) {
    const QuantisationReport one = with({1, kInfinity, std::nanf(""), 5, 0, 0, 0, 0, 0, 0, 0, 0, 127}, type);
    EXPECT_EQ(one.not_finite, 2);
    EXPECT_EQ(one.largest, 127);  // of the second row
    EXPECT_GT(one.scale, 0);
    EXPECT_TRUE(std::isfinite(one.error));
  }
  EXPECT_EQ(with({}, Type::u4).error, 0);
}

// A file of the type already: nothing is changed. Ordinary weights lose what the type must lose.
TEST(QuantisationReport, ErrorOfOrdinaryWeightsIsThatOfTheType) {
  const TinyCheckpoint model;
  for (const auto& [type, most] : {std::pair(Type::i8, 0.01), std::pair(Type::u4, 0.12)}) {
    for (const QuantisationReport& one : quantisation_report_of(model, type, type)) {
      EXPECT_LE(one.error, most) << name_of(one.weight);
      EXPECT_GT(one.error, most / 10) << name_of(one.weight);
    }
  }
  const QuantisedCheckpoint quantised(model, Type::i8);
  for (const QuantisationReport& one : quantisation_report_of(quantised, Type::i8, Type::i8)) {
    EXPECT_EQ(one.error, 0);
    EXPECT_EQ(one.from, Type::i8);
  }
}

// A precision of this name and options, which is never made.
Plugin precision(const char* name, std::span<const OptionSpec> options) {
  Plugin plugin = load_plugin(Kind::precision, "reference");
  plugin.name = name, plugin.options = options.data(), plugin.option_count = static_cast<uint32_t>(options.size());
  return plugin;
}

std::string report_of(const Plugin& precision, std::vector<std::pair<const char*, const char*>> options = {}) {
  const Plugin& loader = load_plugin(Kind::loader, "huggingface");
  Selection choice{SOURCE_DIR "/models/demo",
                   BoundPlugin(loader, {loader.name, {}}, Layer::fallback),
                   BoundPlugin(precision, {precision.name, {}}, Layer::fallback),
                   {},
                   {}};
  for (const auto& [key, value] : options) choice.precision.values.set(key, value, "a test");
  return weight_report(choice);
}

constexpr OptionSpec kGrid[] = {{"type", "enum", "fp32", "fp32|bf16|fp16", ""},
                                {"w", "enum", "type", "type|fp16|int8|int4|nf4", ""},
                                {"group", "int", "0", "[0, 1024]", ""},
                                {"zero", "bool", "off", "", ""},
                                {"head", "enum", "type", "type|fp32|bf16|int8|int4|nf4", ""}};
constexpr OptionSpec kHead[] = {{"head", "enum", "int8", "int8|bf16|fp32", ""}};

TEST(QuantisationTable, IsATableForTheTypeOfAPrecision) {
  const Plugin int8 = precision("cpu-int8", {}), int4 = precision("cpu-int4", {}), grid = precision("reference", kGrid);
  const std::string table = report_of(int8);
  std::istringstream lines(table);
  std::string line, last;
  size_t count = 0;
  for (; std::getline(lines, line); ++count) last = line;
  EXPECT_EQ(count, 2 + 1 + 4 * 6 + 1u);
  EXPECT_EQ(table.substr(0, 8), "in int8:");
  EXPECT_NE(table.find("\nqkv_w.5    fp32       110592 "), std::string::npos) << table;
  EXPECT_EQ(last.substr(0, 28),
            "all              "
            "    3440640");
  EXPECT_EQ(report_of(grid, {{"w", "int8"}, {"head", "int8"}}), table);
  EXPECT_EQ(report_of(int4).substr(0, 8), "in int4:");
  EXPECT_EQ(report_of(grid, {{"w", "int4"}, {"group", "32"}, {"zero", "on"}, {"head", "int8"}}), report_of(int4));
  EXPECT_EQ(report_of(grid, {{"type", "bf16"}}).substr(0, 8), "in bf16:");
}

// The line of a tensor in a table, or "".
std::string line_in(const std::string& table, const std::string& tensor) {
  const size_t at = table.find("\n" + tensor + " ");
  return at == table.npos ? "" : table.substr(at + 1, table.find('\n', at + 1) - at);
}

TEST(QuantisationTable, EmbeddingAndHeadHaveTheFormatOfTheirOption) {
  const Plugin int8 = precision("cpu-int8", kHead), int4 = precision("cpu-int4", kHead),
               grid = precision("reference", kGrid);
  const std::string table = report_of(int8), mixed = report_of(int4);
  EXPECT_NE(line_in(table, "wte"), "");
  EXPECT_EQ(line_in(mixed, "wte"), line_in(table, "wte"));
  EXPECT_NE(line_in(mixed, "up_w.0"), line_in(table, "up_w.0"));
  EXPECT_NE(mixed.find("; wte and head_w in int8; wpe"), std::string::npos) << mixed;
  EXPECT_EQ(table.find("head_w"), std::string::npos);
  const std::string wide = report_of(int4, {{"head", "bf16"}});
  EXPECT_EQ(line_in(wide, "wte"), "");
  EXPECT_NE(wide.find("; wte and head_w in bf16; wpe"), std::string::npos) << wide;
  EXPECT_EQ(line_in(wide, "up_w.0"), line_in(mixed, "up_w.0"));
  const auto of_grid = [&](const char* head) {
    return report_of(grid, {{"w", "int4"}, {"group", "32"}, {"zero", "on"}, {"head", head}});
  };
  EXPECT_EQ(line_in(of_grid("type"), "wte"), "");
  EXPECT_NE(of_grid("type").find("head_w in fp32;"), std::string::npos);
  EXPECT_NE(line_in(of_grid("int4"), "wte"), "");
  EXPECT_NE(line_in(of_grid("int4"), "wte"), line_in(mixed, "wte"));
  EXPECT_EQ(line_in(report_of(grid, {{"w", "int8"}, {"head", "int4"}}), "wte"), "");
}

TEST(QuantisationTable, OfAFormThatNoFileHasIsRefused) {
  const Plugin grid = precision("reference", kGrid);
  const auto refused = [&](std::vector<std::pair<const char*, const char*>> options, const char* word) {
    try {
      report_of(grid, options);
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  refused({{"w", "int4"}}, "expected group=32 and zero=on with w=int4, found group=0 and zero=off");
  refused({{"w", "int8"}, {"group", "64"}}, "found group=64");
  refused({{"w", "nf4"}}, "found w=nf4");
}

}  // namespace
}  // namespace gpt2run::test
