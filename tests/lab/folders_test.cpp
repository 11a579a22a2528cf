// Comparison from files: what the sink wrote and what the original wrote, against the live comparison of the same runs.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/shell.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr char kRun[] =
    "gpt2run -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 --tokens '1 2 3' --tokens '7 8' -n 5 "
    "--sampler argmax --ignore-eos ";

class Folders : public Shell {
 protected:
  void write_runs() const {
    ASSERT_EQ(run(std::string(kRun) + "--precision cpu-fp32 --sink logits:dir=ref").code, 0);
    ASSERT_EQ(run(std::string(kRun) + "--precision cpu-bf16 --sink logits:dir=test").code, 0);
    ASSERT_EQ(run(std::string(kRun) + "--precision cpu-bf16 --sink logits:dir=npy:format=npy").code, 0);
  }
  json compared(const std::string& options) const {
    const Outcome done = run("gpt2compare -q --json - " + options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
  std::string refusal(const std::string& options) const {
    const Outcome done = run("gpt2compare -q " + options);
    EXPECT_NE(done.code, 0) << done.out;
    EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
    return done.err;
  }
};

TEST_F(Folders, AFolderAgainstItselfIsEqual) {
  write_runs();
  const json metrics = compared("--ref-folder ref --test-folder ref").at("tests")[0].at("metrics");
  EXPECT_EQ(metrics.at("kl_ref_test").at("mean"), 0);
  EXPECT_EQ(metrics.at("logit_mse").at("mean"), 0);
  EXPECT_EQ(metrics.at("top1_agreement").at("mean"), 1);
}

TEST_F(Folders, JsonAndNpyHoldTheSameAndSidesExchange) {
  write_runs();
  const json texts = compared("--ref-folder ref --test-folder test"),
             arrays = compared("--ref-folder ref --test-folder npy");
  EXPECT_EQ(texts.at("tokens"), 10);
  EXPECT_EQ(texts.at("reference"), "FP32");
  EXPECT_EQ(texts.at("tests")[0].at("name"), "BF16");
  EXPECT_EQ(texts.at("tests")[0].at("metrics"), arrays.at("tests")[0].at("metrics"));
  EXPECT_GT(texts.at("tests")[0].at("metrics").at("kl_ref_test").at("mean").get<double>(), 0);
  const json back = compared("--ref-folder npy --test-folder ref --ref-name BF16 --test-name FP32");
  EXPECT_EQ(back.at("tests")[0].at("metrics").at("kl_test_ref").at("mean"),
            texts.at("tests")[0].at("metrics").at("kl_ref_test").at("mean"));
}

// As the original wrote them: indented, keys in the order of the alphabet. Two logits 0 and log 3: p = 1/4, 3/4.
TEST_F(Folders, TheOriginalsFilesGiveTheNumbersOfTheDefinition) {
  const auto step = [](int index, int token, double second) {
    return json{
        {"logits", {0.0, second}}, {"logprob", -1.0}, {"step", index}, {"text", token ? "b" : "a"}, {"token", token}};
  };
  for (const char* name : {"r", "t"}) std::filesystem::create_directory(folder() / name);
  write("r/generation_FP32_0.json", json({step(0, 1, 0), step(1, 1, 0), step(2, 0, 0)}).dump(4));
  write("r/generation_FP32_7.json", json({step(0, 1, 0)}).dump(4));
  write("t/generation_FP16_0.json", json({step(0, 1, std::log(3)), step(1, 0, 0), step(2, 0, 5)}).dump(4));
  const json all = compared("--ref-folder r --test-folder t");
  EXPECT_EQ(all.at("tokens"), 2) << "behind the second step contexts differ";
  const json kl = all.at("tests")[0].at("metrics").at("kl_ref_test");
  // 1/2 log((1/2)/(1/4)) + 1/2 log((1/2)/(3/4)); the logit is rounded to float: an error of 2^-24, squared.
  EXPECT_NEAR(kl.at("max").at("value").get<double>(), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-7);
  EXPECT_EQ(kl.at("max").at("position"), 0);
  EXPECT_EQ(kl.at("max").at("text"), "b");
  const Outcome shown = run("gpt2compare -q --ref-folder r --test-folder t");
  EXPECT_THAT(shown.out, HasSubstr("1 sequences are in r only"));
  EXPECT_THAT(shown.out, HasSubstr("1 of 1 sequences choose different tokens"));
  EXPECT_THAT(shown.out, HasSubstr("1 steps behind that"));
}

TEST_F(Folders, ConditionsAreJudged) {
  write_runs();
  EXPECT_EQ(run("gpt2compare -q --ref-folder ref --test-folder ref --fail-if 'kl_mean>0'").code, 0);
  EXPECT_EQ(run("gpt2compare -q --ref-folder ref --test-folder test --fail-if 'kl_mean>0'").code, 3);
}

TEST_F(Folders, RefusesInOneLine) {
  write_runs();
  EXPECT_THAT(refusal("--ref-folder ref"), HasSubstr("expected both or neither"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder nowhere"), HasSubstr("--test_folder nowhere: cannot be read"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --ref-name X"), HasSubstr("found those of FP32"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --prompt x"), HasSubstr("--prompt"));
  std::filesystem::create_directory(folder() / "bad");
  EXPECT_THAT(refusal("--ref-folder ref --test-folder bad"), HasSubstr("found none"));
  const std::pair<const char*, const char*> cases[] = {
      {"[{\"token\": 1, \"logits\": [1, 2]}]", "301"},
      {"[{\"token\": 1}]", "expected \"logits\""},
      {"[{\"logits\": [1]}]", "\"token\""},
      {"[{\"token\": 1, \"logits\": [1, null]}]", "step 0: logits[1]: expected a number, found null"},
      {"[{\"token\": 1, \"logits\"", "step 0: expected JSON, found its end at byte 23"},
      {"[{\"token\": 0, \"logits\": [1, NaN]}]",
       "step 0: expected JSON, found \"NaN\" at byte 29 (line 1, column 29): JSON has no such number"},
      {"[{\"token\": 0, \"logits\": [-Infinity]}]",
       "found \"Infinity\" at byte 27 (line 1, column 27): JSON has no such number"},
      {"[{\"token\": 0, \"logits\": [1, 1e99]}]",
       "step 0: logits[1]: expected a number that FP32 can hold, found 1e99"},
      {"[{\"token\": 0, \"logits\": [1, 1e999]}]", "step 0: expected JSON, found a number out of range at byte"},
      {"[{\"token\": 2, \"logits\": [1, 2]}]", "step 0: token: expected an id below 2, the number of logits, found 2"},
      {"[]x", "found \"x\" at byte 3"},
      {"{\"token\": 1}", "expected a list"},
      {"3", "expected a list"},
      {"[3]", "step 0: expected a JSON object, found 3"},
      {"[[]]", "step 0: expected a JSON object, found an empty list"},
      {"[]", "expected steps"},
  };
  for (const auto& [content, expected] : cases) {
    write("bad/generation_X_0.json", content);
    EXPECT_THAT(refusal("--ref-folder ref --test-folder bad"), HasSubstr(expected)) << content;
  }
  EXPECT_EQ(run("test -e no.json").code, 1);
  refusal("--ref-folder ref --test-folder bad --json no.json");
  EXPECT_FALSE(std::filesystem::exists(folder() / "no.json"));
  write("test/generation_FP16_0.json", "[]");
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test"), HasSubstr("found those of BF16, FP16"));
  std::filesystem::resize_file(folder() / "npy/generation_BF16_1.npy", 2000);
  EXPECT_THAT(
      refusal("--ref-folder ref --test-folder npy"),
      HasSubstr("generation_BF16_1.npy: expected 6148 bytes, 5 rows of 301 floats behind the header, found 2000"));
}

// The header, the bytes and the steps of the JSON say the same, or one of them is wrong.
TEST_F(Folders, RowsAreAsManyAsStepsAndNothingStandsBehindThem) {
  write_runs();
  const std::string whole = read_text(folder() / "npy/generation_BF16_0.npy"), row = whole.substr(128, 301 * 4);
  const auto refused = [&](const char* rows, size_t count, const std::string& behind) {
    std::string bytes = whole.substr(0, 128);
    bytes.replace(bytes.find("(5,"), 3, std::string("(") + rows + ",");
    for (size_t i = 0; i < count; ++i) bytes += row;
    write("npy/generation_BF16_0.npy", bytes + behind);
    return refusal("--ref-folder ref --test-folder npy");
  };
  EXPECT_THAT(refused("5", 5, "x"),
              HasSubstr("expected 6148 bytes, 5 rows of 301 floats behind the header, found 6149"));
  EXPECT_THAT(refused("5", 4, ""),
              HasSubstr("expected 6148 bytes, 5 rows of 301 floats behind the header, found 4944"));
  EXPECT_THAT(refused("4", 4, ""), HasSubstr("generation_BF16_0.npy: expected a row for every step, found 4"));
  EXPECT_THAT(refused("6", 6, ""), HasSubstr("generation_BF16_0.npy: expected 5 rows, one for every step, found 6"));
}

// In time that grows with the square of their number these would take hours.
TEST_F(Folders, AStepHoldsAsManyObjectsAsOneLikes) {
  write_runs();
  const std::string file = "test/generation_BF16_0.json", whole = read_text(folder() / file);
  std::string more = "\"more\": [{}";
  for (int i = 0; i < 1'000'000; ++i) more += ",{}";
  std::string changed = whole;
  changed.insert(changed.find("\"step\""), more + "], ");
  const json before = compared("--ref-folder ref --test-folder test");
  write(file, changed);
  EXPECT_EQ(compared("--ref-folder ref --test-folder test"), before);
}

TEST_F(Folders, ANulByteIsNoEnd) {
  write_runs();
  const std::string file = "test/generation_BF16_0.json", whole = read_text(folder() / file);
  for (const std::string& behind : {std::string(1, '\0'), std::string("\0[{}]", 5)}) {
    write(file, whole + behind);
    EXPECT_THAT(refusal("--ref-folder ref --test-folder test"),
                HasSubstr(file + ": expected JSON, found a NUL at byte " + std::to_string(whole.size() + 1)));
  }
}

TEST_F(Folders, ANumberHasOneName) {
  write_runs();
  for (const char* other : {"00", "-0", "07"}) {
    const std::string name = std::string("generation_BF16_") + other + ".json";
    write("test/" + name, "[]");
    EXPECT_THAT(refusal("--ref-folder ref --test-folder test"),
                HasSubstr("--test_folder test: expected numbers as 0 and 12, found " + name));
    std::filesystem::remove(folder() / "test" / name);
  }
}

TEST_F(Folders, WhatOnlyARunUsesIsRefused) {
  write_runs();
  for (const char* option : {"--model x", "--layers 3", "--layer_threshold 1", "--floor off", "--threads 1", "-n 4",
                             "--window 3", "--limit 3", "--tokenizer x", "--plugin_dir x", "--tokens 1"}) {
    const std::string told = refusal(std::string("--ref-folder ref --test-folder test ") + option);
    EXPECT_THAT(told, HasSubstr("files are compared, nothing is computed")) << option;
  }
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --precision.isa portable"),
              HasSubstr("unknown option --precision.isa"));
}

TEST_F(Folders, ResultsDoNotReplaceWhatIsCompared) {
  write_runs();
  const std::string file = "npy/generation_BF16_0.npy", before = read_text(folder() / file);
  EXPECT_THAT(refusal("--ref-folder ref --test-folder npy --json " + file), HasSubstr("one of --test_folder"));
  EXPECT_EQ(read_text(folder() / file), before);
}

// None of these may be waited for, or allocated before it is known to be there.
TEST_F(Folders, WhatIsNoFileOrClaimsTooMuchIsRefusedAtOnce) {
  write_runs();
  const std::string against = "--ref-folder ref --test-folder ";
  const std::string numpy = "npy/generation_BF16_0.npy";
  ASSERT_EQ(run("mkdir bad; mkfifo bad/generation_X_0.json").code, 0);
  EXPECT_THAT(refusal(against + "bad"), HasSubstr("generation_X_0.json: expected a file, found a pipe"));
  ASSERT_EQ(run("rm bad/*; mkdir bad/generation_X_0.json").code, 0);
  EXPECT_THAT(refusal(against + "bad"), HasSubstr("expected a file, found a folder"));
  std::filesystem::remove_all(folder() / "bad/generation_X_0.json");
  write("bad/generation_X_0.json", "[{\"token\": 2147483647, \"logits\": [1, 2]}]");
  EXPECT_THAT(refusal(against + "bad"),
              HasSubstr("token: expected a whole number in [0, 2147483646], found 2147483647"));
  ASSERT_EQ(run("sed -i 's/(5, 301), }......./(5, 2147483647), }/' " + numpy).code, 0);
  EXPECT_THAT(refusal(against + "npy"), HasSubstr(", 5 rows of 2147483647 floats behind the header, found 6148"));
  ASSERT_EQ(run("rm " + numpy + "; mkfifo " + numpy).code, 0);
  EXPECT_THAT(refusal(against + "npy"), HasSubstr("generation_BF16_0.npy: expected a file, found a pipe"));
}

}  // namespace
}  // namespace gpt2run
