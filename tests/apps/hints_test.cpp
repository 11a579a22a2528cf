// What people type from the habit of other tools, and bring from other programs: one line that says what stands for it
// here.
#include <gmock/gmock.h>
#include <unistd.h>

#include "shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsMessage;
using test::IsRefusal;
using test::Words;

struct Hint {
  const char* name;
  std::string command;
  Words words;
  int code = 2;
  std::string before = "true";
};

void PrintTo(const Hint& hint, std::ostream* out) { *out << hint.command; }

class Hints : public Shell, public testing::WithParamInterface<Hint> {};

TEST_P(Hints, AreOneLine) {
  const Hint& hint = GetParam();
  ASSERT_EQ(run(hint.before).code, 0);
  EXPECT_THAT(run(hint.command), IsRefusal(hint.code, hint.words));
}

constexpr char kSmallest[] = "synthetic:L=1,C=16,H=1,F=16,V=8,T=16";
const std::string kNoTokens = std::string("gpt2run -q -m ") + kSmallest + " --tokens 1 -n 2 --sink tokens ";

const Hint kHints[] = {
    {"Float16", "gpt2run -q --precision float16", {"did you mean \"fp16\"?"}},
    {"Half", "gpt2run -q --precision half", {"did you mean \"fp16\"?"}},
    {"Bfloat16", "gpt2run -q --precision bfloat16", {"did you mean \"bf16\"?"}},
    {"TopP", "gpt2run -q --sampler top-p", {"did you mean \"nucleus\"?"}},
    {"Greedy", "gpt2run -q --sampler greedy", {"did you mean \"argmax\"?"}},
    {"LayoutHf", "gpt2convert -m a --to hf -o b", {"--to", "\"hf\"", "did you mean \"huggingface\"?"}},
    {"TypeF16", "gpt2convert -m a --type f16 -o b", {"--type", "\"f16\"", "did you mean \"fp16\"?"}},
    {"FileByALetter", "gpt2run -q -f a", {"-f", "--prompts"}},
    {"TextByALetter", "gpt2perplexity -q -f a", {"-f", "--text"}},
    {"SeedByALetter", "gpt2run -q -s 5", {"-s", "--seed"}},
    {"OutByALetter", "gpt2run -q -o a", {"-o", "--out"}},
    {"LayersOnAGpu", "gpt2run -q -ngl 5", {"-ngl", "--precision"}},
    {"TypeOfLlamaCpp", "gpt2convert -q -m " SOURCE_DIR "/models/demo -o a --outtype f16", {"--outtype", "--type"}},
    {"OneDash", "gpt2run -q -temp 0.5", {"-temp", "--temp"}},
    {"Window", "gpt2perplexity -q --window 5", {"--window", "--max-length"}},
    {"FarFromEveryOption", "gpt2run -q --foo 1", {"--foo", "--help lists"}},
    {"StopByAnotherName", "gpt2run -q --reverse-prompt a", {"--reverse-prompt", "--stop"}},
    {"BannedWords", "gpt2run -q --bad-words a", {"--bad-words", "logit-bias", "-inf"}},
    {"ModelForATokenizer", "gpt2tokenize encode -m a b", {"-m", "--tokenizer"}},
    {"CommasInAValue", "gpt2run -q --sink lens:positions=0-3,7", {"--sink", "\"7\"", "lens:positions=\"0-3,7\""}},
    {"CommasBetweenOptions", "gpt2run -q --sink taps:ops=attention,layers=0-3", {"\"layers=0-3\"", "taps:layers=0-3"}},
    {"OptionOfAnotherSink", "gpt2run -q --lens.positions last", {"--lens.positions", "the sink lens", "--sink"}},
    {"OneFolderForTwo", "gpt2run -q -p a --sink taps:dir=a:ops=all,taps:dir=a/", {"taps", "\"a/\"", "dir or name"}},
    {"NearAnOption", "gpt2run -q --sede 1", {"--sede", "nearest", "--seed"}},
    {"MetricByAnotherName", "gpt2compare -q -p a --fail-if 'top1_mean<1'", {"\"top1_mean\"", "mean top1_agreement?"}},
    {"MetricMisspelt", "gpt2compare -q -p a --fail-if 'cosin_p99<1'", {"\"cosin_p99\"", "mean cosine?"}},
    {"JsonThatIsNoManifest",
     "gpt2run -q -c a.json",
     {"a.json:", "\"n\"", "key = value"},
     1,
     "echo '{\"n\": 3}' >a.json"},
    {"ModelsSettingsAsConfig",
     "gpt2run -q -c a.json",
     {"a.json:", "settings of a model"},
     1,
     "echo '{\"model_type\": \"gpt2\"}' >a.json"},
    {"HalfOfACharacterAsStop", "gpt2run -q --stop '\\uD800'", {"--stop", "half of one", "\"\\uD800\""}},
    {"Utf32Prompts", "gpt2run -q --prompts a", {"a:", "UTF-32", "iconv"}, 1, "echo hi | iconv -t UTF-32 >a"},
    {"Utf16OnStandardInput",
     "gpt2run -q -p - <a",
     {"--prompt -", "UTF-16", "iconv"},
     1,
     "echo hello | iconv -t UTF-16LE >a"},
    {"Utf16Text", "gpt2perplexity -q --text a", {"--text a", "UTF-16", "iconv"}, 1, "echo hello | iconv -t UTF-16 >a"},
    {"Utf32Ini", "gpt2run -q -c a", {"a:", "UTF-32"}, 1, "echo hello | iconv -t UTF-32BE >a"},
    {"Utf16ToEncode", "gpt2tokenize encode - <a", {"standard input", "UTF-16"}, 1, "echo hello | iconv -t UTF-16BE >a"},
    {"TextWithoutATokenizer",
     std::string("gpt2perplexity -q --text a -m ") + kSmallest,
     {"--text a", "--tokenizer", "--tokens"},
     1,
     "echo hello >a"},
    {"MoreThanTheMachineHas",
     "gpt2run -q -m synthetic:L=64,C=64,H=1,F=16,V=64,T=4096 --tokens 1 -n 4000 --samples 1000000 --batch 65536 --sink "
     "tokens",
     {"65536 sequences", "this machine has", "--batch"},
     1},
    {"EndBeyondTheVocabulary",
     kNoTokens + "--sampler min-tokens,nucleus --min-tokens.ends 8",
     {"min-tokens.ends", "8", "[0, 8)"}},
    {"TokenBeyondTheVocabulary", kNoTokens + "--tokens 8", {"--tokens", "8", "[0, 8)"}},
    {"BiasWithoutANumber",
     kNoTokens + "--sampler logit-bias,nucleus --logit-bias.bias 0",
     {"logit-bias.bias", "ID=BIAS"}},
    {"EverythingIsBanned",
     kNoTokens +
         "--sampler logit-bias,nucleus --logit-bias.bias '0=-inf 1=-inf 2=-inf 3=-inf 4=-inf 5=-inf 6=-inf 7=-inf'",
     {"no token can be chosen", "the sampler logit-bias", "logit-bias,nucleus", "-inf"},
     1},
    {"TheSamplerThatLeavesNothing",
     kNoTokens +
         "--sampler logit-bias,no-repeat-ngram:ngram=1,nucleus --logit-bias.bias '0=-inf 1=-inf 2=-inf 3=-inf 4=-inf "
         "5=-inf 7=-inf'",
     {"position 2", "the sampler no-repeat-ngram", "logit-bias,no-repeat-ngram,nucleus"},
     1},
    {"ModelConvertedIntoItself",
     "gpt2convert -q -m m -o m --force",
     {"m/config.json", "--out"},
     1,
     "cp -r " SOURCE_DIR "/tests/golden/models/plain m && chmod -R u+w m"},
};

INSTANTIATE_TEST_SUITE_P(, Hints, testing::ValuesIn(kHints), [](const auto& test) { return test.param.name; });

class Texts : public Shell {};

// Windows' editors put it before UTF-8.
TEST_F(Texts, AByteOrderMarkIsNoText) {
  const std::string plain = run("gpt2tokenize encode hello").out;
  EXPECT_EQ(run("printf '\\357\\273\\277hello' | gpt2tokenize encode -").out, plain);
  const std::string show = "gpt2run -q -n 1 --sampler argmax --sink tokens --echo -p ";
  const std::string expected = run(show + "hello").out;
  EXPECT_NE(expected, "");
  EXPECT_EQ(run("printf '\\357\\273\\277hello' | " + show + "-").out, expected);
}

TEST_F(Texts, NamesOfThousandsOfLettersAreShortened) {
  const std::string name(5000, 'a');
  for (const std::string option : {"-m ", "--tokenizer ", "--config ", "--out ", "--plugin-dir "}) {
    const Outcome done = run("gpt2run -q -n 1 " + option + name);
    EXPECT_NE(done.code, 0) << option;
    EXPECT_LT(done.err.size(), 700u) << option;
    EXPECT_THAT(done.err, testing::HasSubstr("aaa...: ")) << option;
  }
}

// What may not be read is not called empty, nor missing.
TEST_F(Texts, FoldersWithoutPermissionAreNamed) {
  ASSERT_EQ(run("chmod 755 . && mkdir -m 700 m hub && cp " SOURCE_DIR "/tests/golden/models/plain/* m").code, 0);
  std::string user;
  if (geteuid() == 0) user = "setpriv --reuid=65534 --regid=65534 --clear-groups ";
  ASSERT_EQ(run(geteuid() == 0 ? "true" : "chmod 000 m hub").code, 0);
  if (run(user + "gpt2run --version").code != 0)
    GTEST_SKIP() << "setpriv is missing, or others may not run the programs";
  EXPECT_THAT(run(user + "gpt2run -q -m m --tokens 1"), IsRefusal(1, "model m", "cannot be read", "Permission denied"));
  EXPECT_THAT(run(user + "gpt2run -q -m m/config.json --tokens 1"), IsRefusal(1, "m/config.json", "Permission denied"));
  EXPECT_THAT(run("export HF_HUB_CACHE=$PWD/hub && " + user + "gpt2run -q -m gpt2"),
              IsRefusal(1, "model gpt2", "hub", "cannot be read", "Permission denied"));
}

}  // namespace
}  // namespace gpt2run
