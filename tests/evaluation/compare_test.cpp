// gpt2compare as a user types it: what it finds, what it prints and writes, and what it refuses.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::IsRefusal;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

constexpr char kTiny[] = " -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 ";
const char* const kDivergences[] = {"kl_ref_test",       "kl_test_ref",       "js", "tvd", "logit_mse",
                                    "logit_mse_aligned", "logprob_difference"};
const char* const kLikenesses[] = {"cosine", "cosine_aligned", "top1_agreement", "topk_overlap"};

// Ids of the tiny model without a pattern.
std::string ids(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string((i * i * 31 + 7 * i + 3) % 301) + " ";
  return "\"" + text + "\"";
}

class Gpt2compare : public Shell {
 protected:
  json compared(const std::string& options) const {
    const Outcome done = run("gpt2compare " + options + " --json -");
    EXPECT_EQ(done.code, 0) << options << "\n" << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
};

double mean_of(const json& test, const char* metric) { return test.at("metrics").at(metric).at("mean").get<double>(); }

TEST_F(Gpt2compare, APrecisionAgainstItselfIsExactlyTheSame) {
  const json all = compared(std::string(kTiny) + "--ref cpu-bf16 --test cpu-bf16 -n 0 --tokens " + ids(90));
  EXPECT_EQ(all.at("reference"), "cpu-bf16");
  EXPECT_EQ(all.at("tokens"), 89);
  const json& test = all.at("tests").at(0);
  for (const char* metric : kDivergences) {
    EXPECT_EQ(mean_of(test, metric), 0) << metric;
    EXPECT_EQ(test.at("metrics").at(metric).at("max").at("value"), 0) << metric;
  }
  for (const char* metric : kLikenesses) EXPECT_EQ(mean_of(test, metric), 1) << metric;
  EXPECT_TRUE(test.at("flips").empty());
  size_t invariant = 0;
  for (const json& part : test.at("floors")) {
    const std::string what = part.at("against");
    if (what != "neighbours in 3 other slots" && what != "token by token" && !what.ends_with("thread")) continue;
    ++invariant;
    for (const char* metric : kDivergences) EXPECT_EQ(part.at(metric), 0) << what << " " << metric;
  }
  EXPECT_EQ(invariant, 3u);
  EXPECT_EQ(test.at("below_floor").size(), 11u);
  const Outcome shown = run("gpt2compare" + std::string(kTiny) + "--ref bf16 --test bf16 -n 0 --tokens " + ids(90));
  EXPECT_THAT(shown.out, HasSubstr("0 +- 0 ="));
}

// Without vector units, so that it is the same on every machine: what changes from type to type is more than what the
// order of sums changes.
TEST_F(Gpt2compare, TypesAreAboveTheFloor) {
  const json all = compared(
      "-q --ref cpu-fp32:isa=portable --test cpu-bf16:isa=portable,cpu-fp16:isa=portable -n 24 "
      "--prompt 'Once upon a time'");
  ASSERT_EQ(all.at("tests").size(), 2u);
  EXPECT_EQ(all.at("tokens"), 4 - 1 + 24);
  for (const json& test : all.at("tests")) {
    const double kl = mean_of(test, "kl_ref_test"), floor = test.at("floor").at("kl_ref_test");
    EXPECT_GT(floor, 0) << test.at("name");
    EXPECT_GT(kl, floor) << test.at("name");
    for (const char* metric : {"kl_ref_test", "kl_test_ref", "js", "tvd", "logit_mse", "logit_mse_aligned"})
      EXPECT_THAT(test.at("below_floor"), Each(Not(json(metric))));
    EXPECT_EQ(test.at("floors").size(), 4u + 4u);
  }
  EXPECT_EQ(all.at("tests")[0].at("name"), "cpu-bf16:isa=portable");
  EXPECT_GT(mean_of(all.at("tests")[0], "kl_ref_test"), 10 * mean_of(all.at("tests")[1], "kl_ref_test"));
}

TEST_F(Gpt2compare, AnotherOrderOfSumsIsBelowTheFloor) {
  const std::string options = " --ref reference:type=fp32 --test cpu-fp32:isa=portable -n 0 --tokens " + ids(80);
  const json all = compared(kTiny + options);
  const json& test = all.at("tests").at(0);
  EXPECT_GT(mean_of(test, "kl_ref_test"), 0);
  EXPECT_LT(mean_of(test, "kl_ref_test"), 1e-10);
  // The floor is this comparison with its sides exchanged, which is the same number where a metric has no direction.
  for (const char* metric : {"js", "tvd", "logit_mse"})
    EXPECT_THAT(test.at("below_floor"), testing::Contains(json(metric)));
  const Outcome shown = run("gpt2compare" + (kTiny + options));
  EXPECT_THAT(shown.out, HasSubstr(" ~ "));
  EXPECT_THAT(shown.out, HasSubstr("the difference is not above it"));
}

// isa=portable has the contract of FP32 there, which is no other order of the same one.
TEST_F(Gpt2compare, AnotherContractIsNoPartOfTheFloor) {
  const json all =
      compared(std::string(kTiny) + " --ref reference:type=fp32 --test cpu-fp32:isa=portable-amx-split -n 0 --tokens " +
               ids(80));
  const json& test = all.at("tests").at(0);
  for (const json& part : test.at("floors")) EXPECT_NE(part.at("against"), "isa=portable");
  EXPECT_THAT(test.at("floors").dump(), HasSubstr("reference:w=bf16x2:a=bf16x2:head=bf16x2"));
  EXPECT_GT(mean_of(test, "kl_ref_test"), 0);
}

TEST_F(Gpt2compare, ExchangedSidesExchangeTheDirections) {
  const std::string text = "--floor off -n 0 --tokens " + ids(90);
  const json there = compared(std::string(kTiny) + "--ref fp32 --test bf16 " + text).at("tests").at(0);
  const json back = compared(std::string(kTiny) + "--ref bf16 --test fp32 " + text).at("tests").at(0);
  EXPECT_GT(mean_of(there, "kl_ref_test"), 0);
  EXPECT_NE(mean_of(there, "kl_ref_test"), mean_of(there, "kl_test_ref"));
  EXPECT_EQ(there.at("metrics").at("kl_ref_test").at("percentiles"),
            back.at("metrics").at("kl_test_ref").at("percentiles"));
  EXPECT_EQ(mean_of(there, "kl_test_ref"), mean_of(back, "kl_ref_test"));
  EXPECT_EQ(mean_of(there, "logprob_difference"), -mean_of(back, "logprob_difference"));
  EXPECT_EQ(mean_of(there, "js"), mean_of(back, "js"));
  EXPECT_FALSE(there.contains("floor"));
}

std::vector<double> probabilities_of(const json& steps) {
  const std::vector<float> logits = steps.at(0).at("logits");  // the decimals are those of floats
  std::vector<double> row(logits.begin(), logits.end());
  double sum = 0;
  for (const double logit : row) sum += std::exp(logit);
  for (double& value : row) value = std::exp(value) / sum;
  return row;
}

// Two tokens are one target: the logits after the first one, which gpt2run writes too.
TEST_F(Gpt2compare, ComparesTheLogitsThatGpt2runComputes) {
  const std::string one = "gpt2run" + std::string(kTiny) + "--tokens 17 -n 1 --sampler argmax --sink logits --dir . ";
  ASSERT_EQ(run(one + "--name a --precision fp32").code, 0);
  ASSERT_EQ(run(one + "--name b --precision bf16").code, 0);
  const std::vector<double> p = probabilities_of(json::parse(read_text(folder() / "generation_a_0.json")));
  const std::vector<double> q = probabilities_of(json::parse(read_text(folder() / "generation_b_0.json")));
  double kl = 0;
  for (size_t i = 0; i < p.size(); ++i) kl += p[i] * std::log(p[i] / q[i]);
  const json all = compared(std::string(kTiny) + "--ref fp32 --test bf16 --floor off -n 0 --tokens '17 200'");
  const json& test = all.at("tests").at(0);
  EXPECT_EQ(all.at("tokens"), 1);
  EXPECT_NEAR(mean_of(test, "kl_ref_test"), kl, 1e-14 + 1e-6 * kl);
  EXPECT_NEAR(mean_of(test, "logprob_difference"), std::log(q[200] / p[200]), 1e-12);
  EXPECT_TRUE(test.at("metrics").at("js").at("standard_error").is_null());
  EXPECT_EQ(test.at("metrics").at("js").at("max").at("position"), 1);
}

TEST_F(Gpt2compare, ContinuationsStandSideBySide) {
  const std::string options =
      "--ref reference --test coarse,reference:type=fp32 --floor off -n 40 --plugin-dir " CONTRACT;
  const Outcome done = run("gpt2compare -q --prompt 'The old king' " + options);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_THAT(done.out, testing::StartsWith("after \"The old king\"\n\nreference (reference)"));
  EXPECT_THAT(done.out, testing::ContainsRegex("coarse: new token [0-9]+ is \".*\" where reference has \""));
  EXPECT_THAT(done.out, testing::ContainsRegex("reference has them at 0\\.[0-9]+ and 0\\.[0-9]+ \\(logit margin "));
  EXPECT_THAT(done.out, HasSubstr("reference:type=fp32: the same 40 tokens as reference"));
  EXPECT_EQ(std::count(done.out.begin(), done.out.end(), '['), 2);  // the parting token, on either side
  const Outcome again =
      run("gpt2run -q --precision coarse --sampler argmax --prompt 'The old king' -n 12 --plugin-dir " CONTRACT);
  EXPECT_THAT(done.out, HasSubstr(again.out.substr(0, again.out.find_last_not_of('\n')).substr(12, 8)));
}

// Where two continuations part, both are read again: more rows than a prompt or a window has.
TEST_F(Gpt2compare, ALateParting) {
  const std::string options = "--ref reference --test coarse --floor off -n 40 --window 2 --plugin-dir " CONTRACT;
  const Outcome done = run("gpt2compare -q --prompt 'The old king' " + options);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, testing::ContainsRegex("coarse: new token ([4-9]|[1-3][0-9]) is "));
}

// Every token but the first of each text is a target once, whatever the windows.
TEST_F(Gpt2compare, TextsAreCutIntoWindows) {
  std::string tale;
  for (int i = 0; i < 16; ++i) tale += "Once upon a time there was a king who had " + std::to_string(i) + " sons. ";
  write("tale.txt", tale);
  int64_t targets = 0;
  for (const char* window : {"0", "100", "7"}) {
    const json all = compared("-q --ref fp32 --test bf16 --floor off --text tale.txt --window " + std::string(window));
    if (targets == 0) targets = all.at("tokens");
    EXPECT_GT(targets, 150);
    EXPECT_EQ(all.at("tokens"), targets) << window;
    EXPECT_EQ(all.at("texts"), 1);
    int64_t by_position = 0, by_entropy = 0;
    for (const json& bucket : all.at("tests")[0].at("by_position")) by_position += bucket.at("count").get<int64_t>();
    for (const json& bucket : all.at("tests")[0].at("by_entropy")) by_entropy += bucket.at("count").get<int64_t>();
    EXPECT_EQ(by_position, targets);
    EXPECT_EQ(by_entropy, targets);
    EXPECT_EQ(all.at("tests")[0].at("by_position").size() == 1, window == std::string("7"));
  }
  EXPECT_EQ(compared("-q --floor off --test bf16 --text tale.txt --limit 33").at("tokens"), 33);
}

// A device that the host cannot look into gives the same numbers.
TEST_F(Gpt2compare, WorksOnWhatIsInOtherMemory) {
  const json all =
      compared(std::string(kTiny) + "--ref reference --test fake -n 5 --tokens '5 6 7' --plugin-dir " CONTRACT);
  const json& test = all.at("tests").at(0);
  EXPECT_EQ(test.at("name"), "fake");
  EXPECT_EQ(all.at("tokens"), 2 + 5);
  for (const char* metric : kDivergences) EXPECT_EQ(mean_of(test, metric), 0) << metric;
  for (const json& part : test.at("floors")) EXPECT_EQ(part.at("kl_ref_test"), 0) << part;
  const json other =
      compared(std::string(kTiny) + "--ref fake --test bf16 -n 5 --tokens '5 6 7' --plugin-dir " CONTRACT);
  EXPECT_GT(mean_of(other.at("tests").at(0), "kl_ref_test"), 0);
}

TEST_F(Gpt2compare, ComparesTwoModels) {
  const std::string model =
      " -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64,seed=1 -n 0 --floor off --tokens " + ids(90);
  const json same = compared(model + " --test-model synthetic:L=2,C=48,H=3,F=100,V=301,T=64,seed=1");
  EXPECT_EQ(mean_of(same.at("tests").at(0), "kl_ref_test"), 0);
  const json other = compared(model + " --test-model synthetic:L=3,C=48,H=3,F=100,V=301,T=64,seed=2");
  EXPECT_EQ(other.at("tests").size(), 1u);
  EXPECT_EQ(other.at("tests")[0].at("name"), "cpu-fp32 with synthetic:L=3,C=48,H=3,F=100,V=301,T=64,seed=2");
  EXPECT_GT(mean_of(other.at("tests").at(0), "kl_ref_test"), 1e-3);
  EXPECT_FALSE(other.at("tests")[0].contains("layers"));  // of another depth
  EXPECT_TRUE(same.at("tests")[0].contains("layers"));
}

TEST_F(Gpt2compare, FailsOnACondition) {
  const std::string command = "gpt2compare" + std::string(kTiny) + "--test bf16 --floor off -n 0 --tokens " + ids(90);
  EXPECT_EQ(run(command + " --fail-if 'kl_mean>1e3, top1_agreement<-1'").code, 0);
  const Outcome met = run(command + " --json all.json --fail-if 'kl_mean>1e-15,kl_ref_test_p99.9 >= 1e9,tvd<=2'");
  EXPECT_EQ(met.code, 3);
  EXPECT_THAT(met.err, HasSubstr("cpu-bf16: kl_mean>1e-15 is met: kl_ref_test_mean is "));
  EXPECT_THAT(met.err, HasSubstr("cpu-bf16: tvd<=2 is met: tvd_mean is "));
  // Four digits are enough: 1.234e-05, 0.01234.
  EXPECT_THAT(met.err, Not(testing::ContainsRegex("(is|by) [0-9.]*[1-9][0-9.]{5}")));
  EXPECT_EQ(std::count(met.err.begin(), met.err.end(), '\n'), 2) << met.err;
  EXPECT_THAT(met.out, HasSubstr("cpu-bf16"));
  EXPECT_TRUE(json::accept(read_text(folder() / "all.json")));
}

TEST_F(Gpt2compare, FullShowsEverything) {
  const Outcome done = run("gpt2compare" + std::string(kTiny) + "--test coarse --full -n 0 --tokens " + ids(90) +
                           " --plugin-dir " CONTRACT);
  ASSERT_EQ(done.code, 0) << done.err;
  for (const char* word : {"kl_test_ref", "logit_mse_aligned", "P99.9", "FARTHEST", "token by token", "isa=portable",
                           "reference:type=fp32", "POSITION", "ENTROPY", "MARGIN"})
    EXPECT_THAT(done.out, HasSubstr(word));
}

double number_behind(const std::string& text, const std::string& words) {
  const size_t at = text.find(words);
  EXPECT_NE(at, text.npos) << words << " in\n" << text;
  return at == text.npos ? NAN : std::strtod(text.c_str() + at + words.size(), nullptr);
}

// Signs would cancel, and what is left would lie below a floor of sizes.
TEST_F(Gpt2compare, TheLogProbabilityIsShownAsItsFloorIs) {
  const std::string options = std::string(kTiny) + "--test coarse -n 0 --tokens '17 150' --plugin-dir " CONTRACT;
  const double signed_mean = mean_of(compared(options).at("tests").at(0), "logprob_difference");
  const Outcome shown = run("gpt2compare" + options + " --full");
  ASSERT_EQ(shown.code, 0) << shown.err;
  ASSERT_LT(signed_mean, 0);
  const double size = -signed_mean, digits = 5e-3 * size;  // three of them are shown
  EXPECT_NEAR(number_behind(shown.out, "\n  logprob_difference "), signed_mean, digits);
  EXPECT_NEAR(number_behind(shown.out, "\n  |logprob_difference| "), size, digits);
  const std::string row = shown.out.substr(shown.out.find("\n  logprob_difference "));
  EXPECT_THAT(row.substr(0, row.find('\n', 1)), testing::ContainsRegex("[0-9] +-  "));  // no floor
  const std::string brief = run("gpt2compare" + options).out, last = brief.substr(brief.find("\ncoarse  "));
  EXPECT_THAT(brief, HasSubstr("|LOG-PROBABILITY DIFFERENCE|"));
  char cell[32];
  std::snprintf(cell, sizeof cell, "  %.3g  ", size);
  EXPECT_THAT(last, HasSubstr(cell));
}

// Positions and entropies are whole numbers, or halves, of any size.
TEST_F(Gpt2compare, BucketsAreNamedInFull) {
  const Outcome done = run(
      "gpt2compare -q --model synthetic:L=1,C=16,H=2,F=20,V=301,T=1100 --test bf16 --floor off --layers 0 --full -n 0 "
      "--tokens " +
      ids(1090));
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr(" to <1024 "));
}

// The signal comes as soon as it is caught, which is before anything is generated. Thousands of slow steps would
// follow.
TEST_F(Gpt2compare, ASignalEndsContinuationsToo) {
  const Outcome done = run_interrupted(
      "gpt2compare -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=4096 --tokens '1 2' -n 4000 --ref reference --test "
      "reference:type=bf16 --floor off --json all.json");
  EXPECT_THAT(done, IsRefusal(1, "gpt2compare"));
  EXPECT_EQ(entries(), 0u);
}

// FP8, say: its errors are shown, but how large they may be is not known.
TEST_F(Gpt2compare, ATypeThatIsNotKnownHasNoThreshold) {
  const std::string options =
      std::string("gpt2compare") + kTiny + "--test coarse --floor off -n 0 --tokens '1 2 3 4' --plugin-dir " CONTRACT;
  const Outcome shown = run(options), json_shown = run(options + " --json -"),
                full = run(options + " --full --layer_threshold 9");
  ASSERT_EQ(shown.code + json_shown.code + full.code, 0) << shown.err << json_shown.err << full.err;
  EXPECT_THAT(shown.out, HasSubstr("coarse: operations have no threshold: give --layer_threshold"));
  const json test = json::parse(json_shown.out).at("tests")[0];
  EXPECT_TRUE(test.at("layer_threshold").is_null());
  EXPECT_TRUE(test.at("first_above").is_null());
  EXPECT_GT(test.at("layers")[0].at("rms_error").get<double>(), 0);
  EXPECT_EQ(test.at("ranges")[0].at("nan"), 0);
  EXPECT_THAT(full.out, HasSubstr("coarse: no operation has a relative RMS error above 9.00e+00"));
}

TEST_F(Gpt2compare, RefusesInOneLine) {
  write("empty.txt", "");
  const std::tuple<std::string, int, test::Words> cases[] = {
      {"", 2, {"--text", "--prompts", "--prompt", "--tokens"}},
      {"--prompt ''", 2, {"--prompt"}},
      {"--tokens 5 -n 0", 1, {"2"}},
      {"--text nothing.txt", 1, {"--text nothing.txt"}},
      {"--text empty.txt", 1, {"empty.txt"}},
      {"--tokens '1 2' --test bf16,bf16", 2, {"cpu-bf16"}},
      {"--tokens '1 2' --ref fp32,bf16", 2, {"--ref", "2"}},
      {"--tokens '1 2' --test nobody", 2, {"\"nobody\""}},
      {"--tokens '1 2' --test cpu-bf16:isa=none", 2, {"isa", "\"none\"", "portable"}},
      {"--tokens '1 2' --window 65", 2, {"--window", "64"}},
      {"--tokens '1 2' --test_model synthetic:L=2,C=48,H=3,F=100,V=302,T=64", 1, {"301", "302"}},
      {"--tokens '1 2' --test_model no/where", 1, {"no/where"}},
      {"--tokens '1 2' --fail-if kl", 2, {"--fail_if", "NAME>NUMBER"}},
      {"--tokens '1 2' --fail-if 'kl_mean>1,'", 2, {"--fail_if", "NAME>NUMBER"}},
      {"--tokens '1 2' --fail-if 'kl_p98>1'", 2, {"--fail_if", "_p0.1", "_p99.9"}},
      {"--tokens '1 2' --fail-if 'kl>much'", 2, {"--fail_if", "\"much\""}},
      {"--tokens '1 2' --fail-if 'kl>1e999'", 2, {"--fail_if", "double", "\"1e999\""}},
      {"--tokens '1 2' --json empty.txt/all.json", 1, {"empty.txt/all.json"}},
      {"--tokens '1 2' --test nan --plugin-dir " EVALUATION_PLUGINS, 1, {"NaN", "nan", "embed"}},
      {"--tokens '1 2 3' -n 0 --test nan --plugin-dir " EVALUATION_PLUGINS,
       1,
       {"nan against cpu-fp32", "text 0", "position 1", "test", "NaN", "token 0", "embed"}},
      {"--tokens '1 2 3' -n 0 --ref nan --plugin-dir " EVALUATION_PLUGINS, 1, {"reference", "NaN"}},
  };
  for (const auto& [options, code, words] : cases) {
    const Outcome done = run("gpt2compare" + (kTiny + options));
    EXPECT_THAT(done, IsRefusal(code, words)) << options;
    EXPECT_EQ(entries(), 1u) << options;
  }
}

}  // namespace
}  // namespace gpt2run
