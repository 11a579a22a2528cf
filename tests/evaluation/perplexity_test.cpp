// gpt2perplexity as a user types it: every protocol gives what transformers gives (scripts/make_perplexity_goldens.py),
// precisions are compared token by token, and what cannot be measured is refused.
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

constexpr char kGoldens[] = SOURCE_DIR "/tests/golden/evaluation/";
constexpr char kDemo[] = "gpt2perplexity -q --model " SOURCE_DIR "/models/demo ";

class Gpt2perplexity : public Shell {
 protected:
  json measured(const std::string& options) const {
    const Outcome done = run(kDemo + options + " --json -");
    EXPECT_EQ(done.code, 0) << options << ": " << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
};

// "--text --protocol ..." -> "--text FILE --protocol ..."
std::string with_file(const std::string& options) {
  const size_t blank = options.find(' ');
  return options.substr(0, blank) + " " + kGoldens + "text.txt" + options.substr(blank);
}

TEST_F(Gpt2perplexity, EveryProtocolIsTransformersToItsLastDigits) {
  const json golden = json::parse(read_text(std::string(kGoldens) + "perplexity.json"));
  ASSERT_GE(golden.at("results").size(), 9u);
  for (const json& expected : golden.at("results")) {
    const std::string options = expected.at("options");
    const json all = measured(with_file(options) + " --precision cpu-fp32");
    ASSERT_EQ(all.at("results").size(), 1u);
    const json& found = all.at("results")[0];
    EXPECT_EQ(found.at("precision"), "cpu-fp32");
    EXPECT_EQ(found.at("tokens"), expected.at("tokens")) << options;
    EXPECT_TRUE(found.at("difference").is_null());
    for (const char* key : {"perplexity", "nll", "nll_standard_error", "standard_error", "bits_per_byte"}) {
      const double value = found.at(key), right = expected.at(key);
      EXPECT_LE(std::abs(value - right), 1e-5 * right) << options << ", " << key << ": " << value << ", " << right;
    }
  }
}

TEST_F(Gpt2perplexity, AllTextsOfOneRunAreThoseOfTheGolden) {
  const json golden = json::parse(read_text(std::string(kGoldens) + "perplexity.json"));
  const json whole = measured("--text " + std::string(kGoldens) + "text.txt --precision fp32");
  EXPECT_EQ(whole.at("text_tokens"), golden.at("tokens"));
  EXPECT_EQ(whole.at("texts"), 1);
  EXPECT_EQ(whole.at("protocol"), "hf-stride");
  EXPECT_EQ(whole.at("max_length"), 1024);
  EXPECT_EQ(whole.at("stride"), 512);
  EXPECT_EQ(whole.at("manifest").at("plugins").size(), 2u);
  const json again = measured("--text - --precision fp32 < " + std::string(kGoldens) + "text.txt");
  EXPECT_EQ(again.at("text_hash"), whole.at("text_hash"));
  EXPECT_EQ(again.at("results"), whole.at("results"));
}

TEST_F(Gpt2perplexity, APromptSetIsItsLines) {
  const Outcome packed = run("gpt2tokenize pack --tokenizer " SOURCE_DIR "/models/demo --in " + std::string(kGoldens) +
                             "text.txt --t 300 --out set.bin");
  ASSERT_EQ(packed.code, 0) << packed.err;
  const json lines = measured("--protocol original --precision fp32 --prompts " + std::string(kGoldens) + "text.txt");
  const json rows = measured("--protocol original --precision fp32 --prompts set.bin");
  EXPECT_EQ(rows.at("results"), lines.at("results"));
  EXPECT_EQ(rows.at("text_hash"), lines.at("text_hash"));
}

TEST_F(Gpt2perplexity, DifferencesArePairedTokenByToken) {
  const json all = measured("--text " + std::string(kGoldens) + "text.txt --precision fp32,bf16,cpu-fp32");
  const json& rows = all.at("results");
  ASSERT_EQ(rows.size(), 3u);
  const json &first = rows[0], &bf16 = rows[1], &same = rows[2];
  EXPECT_EQ(same.at("difference"), json({{"nll", 0.0}, {"standard_error", 0.0}, {"batch_standard_error", 0.0}}));
  const double difference = bf16.at("difference").at("nll"), error = bf16.at("difference").at("standard_error");
  // Both means are sums of 373 numbers of size 4: 373 x 4 x 2^-53 each.
  EXPECT_NEAR(difference, bf16.at("nll").get<double>() - first.at("nll").get<double>(), 1e-12);
  EXPECT_NE(difference, 0);
  // Pairing takes away what the tokens have in common: unpaired, the errors of both would add.
  EXPECT_GT(error, 0);
  EXPECT_LT(error, 0.1 * bf16.at("nll_standard_error").get<double>());
  for (const json& row : rows)
    for (const char* kind : {"standard_error", "batch_standard_error"})
      EXPECT_NEAR(row.at(kind).get<double>(),
                  row.at("perplexity").get<double>() * row.at(std::string("nll_") + kind).get<double>(), 1e-9);
  // Hard tokens of this text stand together.
  EXPECT_GT(first.at("nll_batch_standard_error").get<double>(), first.at("nll_standard_error").get<double>());
  EXPECT_NE(bf16.at("difference").at("batch_standard_error"), bf16.at("difference").at("standard_error"));
}

TEST_F(Gpt2perplexity, TheTableSaysTheSame) {
  const Outcome done = run(std::string(kDemo) + "--text " + kGoldens + "text.txt --precision fp32,reference:type=bf16");
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.err, "");
  EXPECT_THAT(done.out, HasSubstr("hf-stride: windows of 1024 tokens, stride 512"));
  EXPECT_THAT(done.out, HasSubstr("373 of 374 tokens, 1 text"));
  EXPECT_THAT(done.out,
              testing::ContainsRegex("cpu-fp32 +44.2599 \\+- 8.0402 \\([0-9.]+\\)  3.790078 \\+- 0.181660 \\("));
  EXPECT_THAT(done.out, HasSubstr("reference:type=bf16  44."));
}

TEST_F(Gpt2perplexity, TheTableCutsNoNumberOff) {
  const std::string command =
      "gpt2perplexity -q -m synthetic:L=1,C=48,H=3,F=100,V=301,T=64,std=2 --precision reference "
      "--tokens \"1 2 3 4 5 6 7 8 9 10 11 12\"";
  const double perplexity = json::parse(run(command + " --json -").out).at("results")[0].at("perplexity");
  ASSERT_GT(perplexity, 1e40);
  const std::string table = run(command).out;
  const size_t row = table.find("\nreference ");
  ASSERT_NE(row, table.npos) << table;
  EXPECT_NEAR(std::stod(table.substr(row + std::string("\nreference ").size())), perplexity, 1e-9 * perplexity);
}

TEST_F(Gpt2perplexity, IdsNeedNoTokenizer) {
  const Outcome done =
      run("gpt2perplexity -q --model synthetic:L=1,C=16,H=2,V=20,T=8 --tokens 1,2,3 --tokens 4,5 --precision fp32 "
          "--json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const json row = json::parse(done.out).at("results")[0];
  EXPECT_EQ(row.at("tokens"), 3);
  EXPECT_TRUE(row.at("bits_per_byte").is_null());
}

TEST_F(Gpt2perplexity, OneTargetHasNoError) {
  const Outcome done =
      run("gpt2perplexity -q --model synthetic:L=1,C=16,H=2,V=20,T=8 --tokens 1,2 --precision fp32 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  for (const char* key : {"standard_error", "batch_standard_error", "nll_batch_standard_error"})
    EXPECT_TRUE(json::parse(done.out).at("results")[0].at(key).is_null()) << key;
}

TEST_F(Gpt2perplexity, RefusesInOneLine) {
  write("empty.txt", "");
  write("one.txt", "a");
  write("some.txt", "Once upon a time there was a king.");
  write("taken.json", "kept");
  const struct {
    const char* options;
    int code;
    test::Words words;
  } cases[] = {
      {"", 2, {"--text"}},
      {"--text some.txt --prompt x", 2, {"--text", "--prompt"}},
      {"--text some.txt --tokens 1", 2, {"--text", "--tokens"}},
      {"--text some.txt --prompts some.txt", 2, {"--text", "--prompts"}},
      {"--text nothing.txt", 1, {"nothing.txt"}},
      {"--text empty.txt", 1, {"empty.txt"}},
      {"--text one.txt", 1, {"one.txt", "2", "1"}},
      {"--text some.txt --protocol llama --max_length 64", 1, {"64"}},
      {"--text some.txt --stride 1025", 2, {"--stride", "1024"}},
      {"--text some.txt --max_length 8 --stride 9", 2, {"--stride", "8"}},
      {"--text some.txt --max_length 1025", 2, {"--max_length", "1024"}},
      {"--text some.txt --max_length 1", 2, {"--max_length", "2"}},
      {"--text some.txt --protocol llama --stride 3", 2, {"--stride", "llama"}},
      {"--text some.txt --protocol original --max_length 3", 2, {"--max_length", "original"}},
      {"--text some.txt --protocol lama", 2, {"--protocol", "\"lama\"", "hf-stride"}},
      {"--text some.txt --json some.txt", 2, {"--json", "\"some.txt\"", "--text"}},
      {"--text some.txt --precision fp31", 2, {"\"fp31\""}},
  };
  const size_t before = entries();
  for (const auto& [options, code, words] : cases) {
    const Outcome done = run(std::string(kDemo) + "--json taken.json " + options);
    const Outcome again = done.err.find("given twice") == std::string::npos ? done : run(kDemo + std::string(options));
    EXPECT_THAT(again, IsRefusal(code, words)) << options;
    EXPECT_EQ(entries(), before) << options;
    EXPECT_EQ(read_text(folder() / "taken.json"), "kept") << options;
  }
  const Outcome ids = run("gpt2perplexity -q --model synthetic:L=1,C=16,H=2,V=20,T=8 --text some.txt");
  EXPECT_THAT(ids, IsRefusal(1, "some.txt", "--tokenizer"));
  const Outcome longer =
      run("gpt2perplexity -q --model synthetic:L=1,C=16,H=2,V=20,T=4 --tokens 1,2,3,4,5 --protocol original");
  EXPECT_THAT(longer, IsRefusal(1, "4", "5"));
}

}  // namespace
}  // namespace gpt2run
