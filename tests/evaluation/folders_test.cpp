// Comparison from files: what the sink wrote and what the original wrote, against the live comparison of the same runs.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::IsRefusal;
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
  Outcome refusal(const std::string& options) const { return run("gpt2compare -q " + options); }
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
  EXPECT_THAT(shown.out, HasSubstr("1 of 1 sequences differ in at least one token"));
  EXPECT_THAT(shown.out, HasSubstr("1 steps are left out"));
}

TEST_F(Folders, ConditionsAreJudged) {
  write_runs();
  EXPECT_EQ(run("gpt2compare -q --ref-folder ref --test-folder ref --fail-if 'kl_mean>0'").code, 0);
  EXPECT_EQ(run("gpt2compare -q --ref-folder ref --test-folder test --fail-if 'kl_mean>0'").code, 3);
}

TEST_F(Folders, RefusesInOneLine) {
  write_runs();
  EXPECT_THAT(refusal("--ref-folder ref"), IsRefusal(2, "--ref_folder", "--test_folder"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder nowhere"), IsRefusal(1, "--test_folder nowhere"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --ref-name X"),
              IsRefusal(1, "--ref_folder ref", "generation_X_N.json", "FP32"));
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --prompt x"), IsRefusal(2, "--prompt"));
  std::filesystem::create_directory(folder() / "bad");
  EXPECT_THAT(refusal("--ref-folder ref --test-folder bad"), IsRefusal(1, "--test_folder bad"));
  const std::pair<const char*, test::Words> cases[] = {
      {"[{\"token\": 1, \"logits\": [1, 2]}]", {"301", "2"}},
      {"[{\"token\": 1}]", {"\"logits\""}},
      {"[{\"logits\": [1]}]", {"\"token\""}},
      {"[{\"token\": 1, \"logits\": [1, null]}]", {"step 0", "logits[1]", "null"}},
      {"[{\"token\": 1, \"logits\"", {"step 0", "JSON", "23"}},
      {"[{\"token\": 0, \"logits\": [1, NaN]}]", {"step 0", "JSON", "\"NaN\"", "29"}},
      {"[{\"token\": 0, \"logits\": [-Infinity]}]", {"step 0", "JSON", "\"Infinity\"", "27"}},
      {"[{\"token\": 0, \"logits\": [1, 1e99]}]", {"step 0", "logits[1]", "FP32", "1e99"}},
      {"[{\"token\": 0, \"logits\": [1, 1e999]}]", {"step 0", "JSON"}},
      {"[{\"token\": 2, \"logits\": [1, 2]}]", {"step 0", "token:", "2"}},
      {"[]x", {"\"x\"", "3"}},
      {"{\"token\": 1}", {"list"}},
      {"3", {"list", "3"}},
      {"[3]", {"step 0", "3"}},
      {"[[]]", {"step 0", "list"}},
      {"[]", {"steps"}},
  };
  for (const auto& [content, words] : cases) {
    write("bad/generation_X_0.json", content);
    const Outcome refused = refusal("--ref-folder ref --test-folder bad");
    EXPECT_THAT(refused, IsRefusal(1, words)) << content;
    EXPECT_TRUE(test::has_word(refused.err, "bad")) << refused.err;
  }
  EXPECT_EQ(run("test -e no.json").code, 1);
  EXPECT_EQ(refusal("--ref-folder ref --test-folder bad --json no.json").code, 1);
  EXPECT_FALSE(std::filesystem::exists(folder() / "no.json"));
  write("test/generation_FP16_0.json", "[]");
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test"), IsRefusal(1, "--test_folder test", "BF16", "FP16"));
  std::filesystem::resize_file(folder() / "npy/generation_BF16_1.npy", 2000);
  EXPECT_THAT(refusal("--ref-folder ref --test-folder npy"), IsRefusal(1, "npy/generation_BF16_1.npy", "6148", "2000"));
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
  EXPECT_THAT(refused("5", 5, "x"), IsRefusal(1, "npy/generation_BF16_0.npy", "6148", "6149"));
  EXPECT_THAT(refused("5", 4, ""), IsRefusal(1, "npy/generation_BF16_0.npy", "6148", "4944"));
  EXPECT_THAT(refused("4", 4, ""), IsRefusal(1, "npy/generation_BF16_0.npy", "4"));
  EXPECT_THAT(refused("6", 6, ""), IsRefusal(1, "npy/generation_BF16_0.npy", "5", "6"));
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
                testing::Field(&Outcome::err, HasSubstr(file + ": expected JSON, found a NUL at byte " +
                                                        std::to_string(whole.size() + 1))));
  }
}

TEST_F(Folders, ANumberHasOneName) {
  write_runs();
  for (const char* other : {"00", "-0", "07"}) {
    const std::string name = std::string("generation_BF16_") + other + ".json";
    write("test/" + name, "[]");
    EXPECT_THAT(refusal("--ref-folder ref --test-folder test"), IsRefusal(1, "--test_folder test", name));
    std::filesystem::remove(folder() / "test" / name);
  }
}

TEST_F(Folders, WhatOnlyARunUsesIsRefused) {
  write_runs();
  for (const char* option : {"--model x", "--layers 3", "--layer_threshold 1", "--floor off", "--threads 1", "-n 4",
                             "--window 3", "--limit 3", "--tokenizer x", "--plugin_dir x", "--tokens 1"}) {
    const std::string given = option,
                      name = given.starts_with("-n ") ? "--max_new_tokens" : given.substr(0, given.find(' '));
    EXPECT_THAT(refusal("--ref-folder ref --test-folder test " + given), IsRefusal(2, name)) << option;
  }
  EXPECT_THAT(refusal("--ref-folder ref --test-folder test --precision.isa portable"), IsRefusal(2, "--precision.isa"));
}

TEST_F(Folders, ResultsDoNotReplaceWhatIsCompared) {
  write_runs();
  const std::string file = "npy/generation_BF16_0.npy", before = read_text(folder() / file);
  EXPECT_THAT(refusal("--ref-folder ref --test-folder npy --json " + file),
              IsRefusal(2, "--json", "\"" + file + "\"", "--test_folder"));
  EXPECT_EQ(read_text(folder() / file), before);
}

// None of these may be waited for, or allocated before it is known to be there.
TEST_F(Folders, WhatIsNoFileOrClaimsTooMuchIsRefusedAtOnce) {
  write_runs();
  const std::string against = "--ref-folder ref --test-folder ";
  const std::string numpy = "npy/generation_BF16_0.npy";
  ASSERT_EQ(run("mkdir bad; mkfifo bad/generation_X_0.json").code, 0);
  EXPECT_THAT(refusal(against + "bad"), IsRefusal(1, "bad/generation_X_0.json", "pipe"));
  ASSERT_EQ(run("rm bad/*; mkdir bad/generation_X_0.json").code, 0);
  EXPECT_THAT(refusal(against + "bad"), IsRefusal(1, "bad/generation_X_0.json", "folder"));
  std::filesystem::remove_all(folder() / "bad/generation_X_0.json");
  write("bad/generation_X_0.json", "[{\"token\": 2147483647, \"logits\": [1, 2]}]");
  EXPECT_THAT(refusal(against + "bad"),
              IsRefusal(1, "bad/generation_X_0.json", "token", "[0, 2147483646]", "2147483647"));
  ASSERT_EQ(run("sed -i 's/(5, 301), }......./(5, 2147483647), }/' " + numpy).code, 0);
  EXPECT_THAT(refusal(against + "npy"), IsRefusal(1, "npy/generation_BF16_0.npy", "2147483647", "6148"));
  ASSERT_EQ(run("rm " + numpy + "; mkfifo " + numpy).code, 0);
  EXPECT_THAT(refusal(against + "npy"), IsRefusal(1, "npy/generation_BF16_0.npy", "pipe"));
}

}  // namespace
}  // namespace gpt2run
