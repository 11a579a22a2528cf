// gpt2compare on number formats as a user types it: many tests with few of them open, the table of --formats with the
// bytes of weights and the direction of changes, and the islands of FP32.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::HasMessage;
using test::IsRefusal;
using testing::ContainsRegex;
using testing::HasSubstr;

// C = 48: neither 32 nor 64 divides a row of the layers' matrices, whose rows have 48 and 100 columns.
constexpr char kTiny[] = " -q --model synthetic:L=3,C=48,H=3,F=100,V=301,T=64 ";
constexpr int kL = 3, kC = 48, kF = 100, kV = 301;

std::string ids(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string((i * i * 31 + 7 * i + 3) % 301) + " ";
  return "\"" + text + "\"";
}

class Formats : public Shell {
 protected:
  json compared(const std::string& options) const {
    const Outcome done = run("gpt2compare" + (kTiny + options) + " --json -");
    EXPECT_EQ(done.code, 0) << options << "\n" << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
};

// How many tests are open at a time changes nothing, neither metrics nor floors, layers nor texts.
TEST_F(Formats, ManyTestsTakeTurns) {
  const std::string options =
      "--ref fp32 --test bf16,reference:w=int8:a=int8,fp16,reference:w=int4:group=32 --floor_targets 8 --layers 8 -n 3 "
      "--tokens '5 6 7' --tokens '9 8'";
  const json together = compared(options);
  ASSERT_EQ(together.at("tests").size(), 4u);
  EXPECT_EQ(together.at("tests")[1].at("name"), "reference:w=int8:a=int8");
  EXPECT_EQ(compared(options + " --open 1"), together);
  EXPECT_EQ(compared(options + " --open 3"), together);
  const std::string shown = "gpt2compare" + (kTiny + options);
  EXPECT_EQ(run(shown + " --open 2").out, run(shown).out);  // continuations side by side, and remarks on layers
}

// Bytes of a model's step, with `matrix` bytes for a row of the layers' matrices by its columns, and `head` for one of
// the head; all vectors are FP32. This counts row by row.
int64_t bytes_of(int64_t (*matrix)(int64_t), int64_t (*head)(int64_t)) {
  int64_t bytes = 0;
  for (int layer = 0; layer < kL; ++layer) {
    for (int row = 0; row < 3 * kC; ++row) bytes += matrix(kC);  // qkv
    for (int row = 0; row < kC; ++row) bytes += matrix(kC);      // proj
    for (int row = 0; row < kF; ++row) bytes += matrix(kC);      // up
    for (int row = 0; row < kC; ++row) bytes += matrix(kF);      // down
    bytes += 4 * (4 * kC + 3 * kC + kC + kF + kC);               // gains and biases
  }
  for (int row = 0; row < kV; ++row) bytes += head(kC);
  return bytes + 4 * 2 * kC;
}

int64_t fp32(int64_t columns) { return 4 * columns; }
int64_t int8(int64_t columns) { return columns + 4; }
// Groups of 32: 16 bytes of codes and one with the factor and the zero point; the last group is shorter.
int64_t int4(int64_t columns) { return columns == 48 ? 16 + 8 + 2 + 4 : 50 + 4 + 4; }
int64_t int4_with_63(int64_t columns) { return int4(columns) + (columns == 48 ? 2 : 4); }
int64_t int4_symmetric(int64_t columns) { return columns == 48 ? 24 + 2 * 4 : 50 + 4 * 4; }
int64_t int4_least(int64_t columns) { return columns == 48 ? 24 + 2 * 8 : 50 + 4 * 8; }
int64_t mxfp4(int64_t columns) { return columns == 48 ? 24 + 2 : 50 + 4; }
int64_t nf4(int64_t columns) { return columns == 48 ? 24 + 4 : 50 + 2 * 4; }

TEST_F(Formats, BytesAreThoseOfTheWeightsInTheFormat) {
  const std::pair<std::string, int64_t> cases[] = {
      {"reference", bytes_of(fp32, fp32)},
      {"reference:kv=int8:a=int8", bytes_of(fp32, fp32)},
      {"reference:w=int8", bytes_of(int8, fp32)},
      {"reference:w=int8:a=int8:head=int8", bytes_of(int8, int8)},
      {"reference:w=e4m3:head=e5m2", bytes_of(int8, int8)},
      {"reference:w=int4:group=32:zero=on", bytes_of(int4, fp32)},
      {"reference:w=int4:group=32:zero=on:head=int4", bytes_of(int4, int4)},
      {"reference:w=int4:group=32:zero=on:scales=63", bytes_of(int4_with_63, fp32)},
      {"reference:w=int4:group=32:head=int8", bytes_of(int4_symmetric, int8)},
      {"reference:w=int4:group=32:zero=least", bytes_of(int4_least, fp32)},
      {"reference:w=mxfp4:head=mxfp4", bytes_of(mxfp4, mxfp4)},
      {"reference:w=nf4", bytes_of(nf4, fp32)},
      {"reference:type=fp16", bytes_of(fp32, fp32) / 2},
      {"cpu-bf16", bytes_of(fp32, fp32) / 2},
  };
  std::string tests;
  for (const auto& [test, bytes] : cases) tests += (tests.empty() ? "" : ",") + test;
  const json all = compared("--ref cpu-fp32 --test " + tests + " --floor off --layers 0 -n 0 --tokens '1 2 3'");
  EXPECT_EQ(all.at("reference_step_bytes"), bytes_of(fp32, fp32));
  for (size_t i = 0; i < std::size(cases); ++i)
    EXPECT_EQ(all.at("tests").at(i).at("step_bytes"), cases[i].second) << cases[i].first;
}

TEST_F(Formats, WhatIsKeptForDiagnosisHasNoBytes) {
  const std::string options = "--test reference:w=int8:exact=layer0 --floor off --layers 0 -n 0 --tokens '1 2 3'";
  EXPECT_TRUE(compared(options).at("tests")[0].at("step_bytes").is_null());
  EXPECT_THAT(run("gpt2compare" + (kTiny + options) + " --formats").out, ContainsRegex("\nreference:[^\n]* -\n"));
}

// Every change is listed as a flip, and each is better or worse.
TEST_F(Formats, TheTableHasSizeDirectionAndBytes) {
  const std::string options =
      "--ref fp32 --test reference:w=int4:head=int4,reference:w=int8 --floor_targets 4 -n 0 --tokens " + ids(200);
  const json test = compared(options + " --layers 0").at("tests")[0];
  const json& direction = test.at("direction");
  const auto changed = direction.at("changed").get<size_t>();
  EXPECT_EQ(changed, test.at("flips").size());
  ASSERT_GT(changed, 4u);
  EXPECT_EQ(direction.at("better").get<size_t>() + direction.at("worse").get<size_t>(), changed);
  EXPECT_EQ(direction.at("share_better").get<double>(), direction.at("better").get<double>() / double(changed));
  EXPECT_LT(direction.at("interval")[0], direction.at("share_better"));
  EXPECT_GT(direction.at("interval")[1], direction.at("share_better"));
  const Outcome shown = run("gpt2compare" + (kTiny + options) + " --formats");
  ASSERT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out,
              ContainsRegex("\nTEST +KL\\(cpu-fp32 \\|\\| TEST\\), NATS +FLOOR +SAME TOP-1 +FLOOR +NLL DIFFERENCE "
                            "+BETTER +WORSE +SHARE OF BETTER +MB A STEP\n"));
  const std::string counts = "  " + direction.at("better").dump() + " +" + direction.at("worse").dump() + " +0\\.";
  EXPECT_THAT(shown.out, ContainsRegex("\nreference:w=int4:head=int4 .*" + counts));
  EXPECT_THAT(shown.out, testing::Not(HasSubstr("threshold")));  // operations are compared only if asked for
}

std::vector<json> parts_of(const json& all, const std::string& division) {
  std::vector<json> found;
  for (const json& part : all.at("islands").at("parts"))
    if (part.at("division") == division) found.push_back(part);
  return found;
}

// The precision `planted` has one coarse operation in layer 1.
TEST_F(Formats, IslandsFindAPlantedFault) {
  const std::string options = "--ref fp32 --test planted --floor off --layers 0 -n 0 --islands --tokens " + ids(64) +
                              " --plugin-dir " EVALUATION_PLUGINS;
  const json all = compared(options);
  EXPECT_EQ(all.at("islands").at("test"), "planted");
  EXPECT_EQ(all.at("islands").at("kl_ref_test"), all.at("tests")[0].at("metrics").at("kl_ref_test").at("mean"));
  EXPECT_EQ(parts_of(all, "operation").size(), 7u);
  EXPECT_EQ(parts_of(all, "layer").size(), 3u);
  EXPECT_EQ(parts_of(all, "values").size(), 3u);
  EXPECT_EQ(parts_of(all, "detail").size(), 5u + 3u);
  for (const auto& [division, part] :
       {std::pair("operation", "norm_up_gelu"), std::pair("layer", "layer1"), std::pair("values", "activations")}) {
    const std::vector<json> parts = parts_of(all, division);
    EXPECT_EQ(parts[0].at("part"), part);
    EXPECT_GT(parts[0].at("restored"), 0.9) << part;
    EXPECT_LT(parts[1].at("restored"), 0.5) << part;
    const double whole = all.at("islands").at("kl_ref_test"), rest = parts[0].at("kl_ref_test");
    EXPECT_NEAR(parts[0].at("restored").get<double>(), 1 - rest / whole, 1e-12);
  }
  double last = 1;
  for (const json& part : all.at("islands").at("parts")) {
    EXPECT_LE(part.at("restored"), last) << "sorted";
    last = part.at("restored");
  }
  const Outcome shown = run("gpt2compare" + (kTiny + options));
  EXPECT_THAT(shown.out,
              ContainsRegex("\nhalf of the damage or more is done by (norm_up_gelu|activations) of layer 1 "));
  EXPECT_EQ(compared(options + " --open 2").at("islands"), all.at("islands"));
}

// What a part restores is what the option `exact` of `reference` restores, beside the parts that are exact already.
TEST_F(Formats, IslandsAreWhatExactComputes) {
  const std::string options = " --floor off --layers 0 -n 0 --tokens " + ids(40),
                    base = "reference:w=int4:exact=layer0";
  const json islands = compared("--test " + base + " --islands" + options).at("islands");
  std::string tests;
  const char* const parts[] = {"weights", "layer2", "norm_qkv"};
  for (const std::string part : parts) tests += (tests.empty() ? "" : ",") + base + "+" + part;
  const json by_hand = compared("--test " + tests + options);
  for (size_t i = 0; i < 3; ++i) {
    const auto is_it = [&](const json& part) { return part.at("part") == parts[i]; };
    const auto found = std::ranges::find_if(islands.at("parts"), is_it);
    ASSERT_NE(found, islands.at("parts").end());
    EXPECT_EQ(found->at("kl_ref_test"), by_hand.at("tests").at(i).at("metrics").at("kl_ref_test").at("mean"));
  }
}

// A precision that is not `reference` is looked at through its contract, and one without damage is said to have none.
TEST_F(Formats, IslandsOfOtherPrecisions) {
  const std::string options = " --ref reference --islands --floor off --layers 0 -n 0 --tokens " + ids(20);
  EXPECT_EQ(compared("--test cpu-bf16" + options).at("islands").at("test"), "reference:type=bf16");
  const Outcome same = run("gpt2compare" + (kTiny + ("--test reference:type=fp32" + options)));
  EXPECT_THAT(same.out, HasSubstr("\nthere is no damage to look for\n"));
}

// The weights of the test's own file cannot come back, and no part of --islands says so.
TEST_F(Formats, IslandsOfAModelThatIsStoredInInt8AreWarnedOf) {
  const std::string options = " --ref fp32 --test cpu-bf16 --islands --floor off --layers 0 -n 0 --tokens '1 2 3 4 5'";
  const std::string original = "synthetic:L=3,C=48,H=3,F=100,V=301,T=64";
  for (const std::string type : {"int8", "int4", "fp32"})
    ASSERT_EQ(run("gpt2convert -q -m " + original + " --type " + type + " -o " + type).code, 0);
  for (const std::string type : {"int8", "int4"}) {
    const Outcome found = run("gpt2compare --model " + original + " --test_model " + type + options);
    EXPECT_EQ(found.code, 0) << found.err;
    EXPECT_THAT(found.err, HasMessage("gpt2compare: warning", "--islands", "--test_model", type, "weights"));
  }
  for (const std::string& models : {"--model " + original + " --test_model fp32", std::string("--model int8")}) {
    const Outcome found = run("gpt2compare " + models + options);
    EXPECT_EQ(found.code, 0) << found.err;
    EXPECT_THAT(found.err, testing::Not(HasSubstr("is stored in"))) << models;
  }
}

TEST_F(Formats, RefusesInOneLine) {
  const std::tuple<std::string, int, test::Words> cases[] = {
      {"--islands --test bf16,fp16", 2, {"--islands", "one", "2"}},
      {"--islands --test coarse --plugin-dir " CONTRACT, 1, {"--islands", "coarse", "Traits::contract", "exact"}},
      {"--open 1001", 2, {"--open", "1000", "1001"}},
      {"--test bf16,reference:w=fp16:group=32 --open 1", 2, {"reference:w=fp16:group=32", "fp16"}},
      {"--test bf16,reference:w=int8:exact=layer7", 1, {"reference", "layer7", "3"}},
      {"--test reference:w=int8:exact=layer7 --formats", 1, {"reference", "layer7", "3"}},
      {"--test reference:w=int8:exact=layer1+layer3.weights --islands", 1, {"reference", "layer3.weights", "3"}},
  };
  for (const auto& [options, code, words] : cases) {
    const Outcome done = run("gpt2compare" + (kTiny + ("--tokens '1 2 3' -n 0 " + options)));
    EXPECT_THAT(done, IsRefusal(code, words)) << options;
  }
}

TEST_F(Formats, OptionsOfAPrecisionThatDoNotGoTogetherAreAWrongCommandLine) {
  const std::pair<std::string, test::Words> cases[] = {
      {"w=mxfp4:group=16", {"mxfp4", "group=16", "32"}},
      {"w=mxfp4:zero=on", {"zero=on", "mxfp4"}},
      {"zero=on", {"zero=on", "fp32"}},
      {"w=int4:scales=8", {"scales=8", "int4"}},
      {"a_group=3", {"a_group=3", "fp32"}},
      {"exact=foo", {"exact", "'foo'"}},
      {"exact=weights.activations", {"'weights.activations'", "kind"}},
  };
  for (const auto& [options, words] : cases) {
    test::Words all = words;
    all.push_back("reference:" + options);
    const Outcome done = run("gpt2run" + (kTiny + ("--tokens '1 2 3' -n 1 --precision reference:" + options)) +
                             " --sampler argmax --sink tokens");
    EXPECT_THAT(done, IsRefusal(2, all)) << options;
  }
}

}  // namespace
}  // namespace gpt2run
