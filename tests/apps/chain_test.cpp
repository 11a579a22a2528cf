// The rules of sampler chains, with outside plugins and with a device that is a fake: which selector is added, which
// memory a sampler works in, and what cannot be.
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsRefusal;
using testing::HasSubstr;
using testing::Not;

constexpr char kChainRun[] = "gpt2run -n 12 --prompt 'The king' --plugin-dir " CONTRACT " ";

class Chain : public Shell {
 protected:
  Outcome run(const std::string& options) const { return Shell::run(kChainRun + options); }
  std::string text(const std::string& options) const {
    const Outcome done = run("-q " + options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
  Outcome refused(const std::string& options) const { return run("-q " + options); }
};

TEST_F(Chain, WithoutASelectorNucleusOverAllTokensIsAddedAloud) {
  const Outcome added = run("--sampler penalty:penalty=3");
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_THAT(added.err, HasMessage("nucleus", "top_k 0", "top_p 1"));
  EXPECT_EQ(added.out, text("--sampler penalty:penalty=3,nucleus:top_k=0:top_p=1"));
  EXPECT_NE(added.out, text("--sampler penalty:penalty=3,nucleus"));
  EXPECT_EQ(text("--sampler penalty:penalty=3 --top_k 10 --top_p 0.8"), text("--sampler penalty:penalty=3,nucleus"));
}

TEST_F(Chain, WithTopKInItNucleusKeepsNoCountOfItsOwnUnlessGiven) {
  const auto options = [&](const char* given) { return run(std::string("--explain --sampler ") + given).out; };
  EXPECT_THAT(options("top-k:top_k=20,nucleus"), HasSubstr("sampler     nucleus 0.1.0, temp 1, top_k 0, top_p 0.8"));
  EXPECT_THAT(options("top-k:top_k=20,nucleus:top_k=5"), HasSubstr("top_k 5, top_p 0.8"));
  EXPECT_THAT(options("nucleus"), HasSubstr("top_k 10, top_p 0.8"));
  EXPECT_EQ(text("--sampler top-k:top_k=10,nucleus"), text("--sampler nucleus"));
}

TEST_F(Chain, AnAliasReachesBothAndTheSlotsNameIsAmbiguous) {
  const Outcome both = run("--explain --sampler top-k,nucleus --top_k 7");
  EXPECT_THAT(both.out, HasSubstr("sampler     top-k 0.1.0, top_k 7"));
  EXPECT_THAT(both.out, HasSubstr("top_k 7, top_p 0.8"));
  EXPECT_THAT(refused("--sampler top-k,nucleus --sampler.top_k 7"),
              IsRefusal(2, "--sampler.top_k", "top-k.top_k", "nucleus.top_k"));
  EXPECT_THAT(run("--explain --sampler top-k,nucleus --sampler.top_p 0.5").out, HasSubstr("top_p 0.5"));
}

TEST_F(Chain, ASelectorBeforeTheEndIsRefused) {
  EXPECT_THAT(refused("--sampler nucleus,penalty"), IsRefusal(2, "--sampler", "nucleus"));
}

TEST_F(Chain, TwoMemorySpacesAreRefused) {
  EXPECT_THAT(refused("--precision fake --sampler penalty,device-nucleus"),
              IsRefusal(2, "penalty", "host", "device-nucleus", "test"));
}

TEST_F(Chain, WhereASamplerWorksChangesNoToken) {
  const std::string host = text("--sampler nucleus");
  EXPECT_EQ(text("--sampler device-nucleus"), host);
  const Outcome device = run("--precision fake --explain"),
                behind = run("--precision fake --sampler nucleus --explain");
  EXPECT_THAT(device.out, HasSubstr("selects in test memory"));
  EXPECT_THAT(device.out, HasSubstr("up to 16 tokens between two waits"));
  EXPECT_THAT(device.out, Not(HasSubstr("adapter")));
  EXPECT_THAT(behind.out, HasSubstr("selects in host memory"));
  EXPECT_THAT(behind.out, HasSubstr("adapter     core copies logits from test to host memory"));
  EXPECT_THAT(behind.out, HasSubstr("a host sampler stands behind the device"));
  // 4096 logits and a key of 16 bytes, the token that was read: 4 x 4096 + 16 + 4
  EXPECT_THAT(behind.out, HasSubstr("16.4 kB out of the session, 4 B into it"));
  EXPECT_EQ(text("--precision fake"), text("--precision fake --sampler nucleus"));
  EXPECT_EQ(text("--precision fake --sampler device-penalty"), text("--precision fake --sampler penalty"));
}

TEST_F(Chain, EverySamplerHasADeviceNameThatIsItselfBehindACpu) {
  const char* chains[][2] = {
      {"argmax", "device-argmax"},
      {"nucleus:temp=2", "device-nucleus:temp=2"},
      {"top-k:top_k=40,nucleus", "device-top-k:top_k=40,device-nucleus"},
      {"min-p:min_p=0.01,nucleus:top_k=0", "device-min-p:min_p=0.01,device-nucleus:top_k=0"},
      {"repetition-penalty:penalty=2,argmax", "device-repetition-penalty:penalty=2,device-argmax"},
      {"frequency-penalty,presence-penalty,argmax", "device-frequency-penalty,device-presence-penalty,device-argmax"},
      {"no-repeat-ngram:ngram=2,typical,mirostat", "device-no-repeat-ngram:ngram=2,device-typical,device-mirostat"},
      {"logit-bias:bias=13=-inf,min-tokens,nucleus",
       "device-logit-bias:bias=13=-inf,device-min-tokens,device-nucleus"}};
  for (const auto& [host, device] : chains) {
    EXPECT_EQ(text(std::string("--sampler ") + device), text(std::string("--sampler ") + host)) << host;
  }
  for (const std::string precision : {"--precision cpu-fp16", "--precision cpu-bf16"}) {
    EXPECT_EQ(text(precision + " --sampler device-top-k,device-nucleus"), text(precision + " --sampler top-k,nucleus"));
  }
}

TEST_F(Chain, ChangesTheTextAsItsLinksSay) {
  EXPECT_NE(text("--sampler repetition-penalty:penalty=2,argmax"), text("--sampler argmax"));
  EXPECT_EQ(text("--sampler repetition-penalty:penalty=1,argmax"), text("--sampler argmax"));
  EXPECT_EQ(text("--sampler top-k,min-p:min_p=0.2,nucleus --temp 1.5"),
            text("--sampler nucleus:top_k=10:min_p=0.2 --temp 1.5"));
  EXPECT_EQ(text("--sampler top-k:top_k=1,nucleus"), text("--sampler argmax"));
}

constexpr char kWithoutRepeats[] = "--sampler no-repeat-ngram:ngram=1,argmax";

TEST_F(Chain, OptionsOfEverySamplerStandBehindItsNameOrOnTheirOwn) {
  EXPECT_NE(text(kWithoutRepeats), text("--sampler argmax"));
  EXPECT_EQ(text("--sampler no-repeat-ngram,argmax --no-repeat-ngram.ngram 1"), text(kWithoutRepeats));
  EXPECT_EQ(text("--sampler 'logit-bias:bias=\"13=-inf 11=-inf\",argmax'"),
            text("--sampler logit-bias,argmax --logit-bias.bias 13=-inf,11=-inf"));
  EXPECT_EQ(text("--sampler mirostat:tau=0:temp=2"), text("--sampler argmax")) << "no surprise at all";
  EXPECT_EQ(text("--sampler typical:temp=0,nucleus"), text("--sampler argmax"));
  EXPECT_THAT(refused("--sampler logit-bias,argmax --logit-bias.bias 4096=1"), IsRefusal(1, "logit-bias.bias", "4096"));
}

// In the demo model " was" has the id 307, and "Old" is two tokens.
TEST_F(Chain, ABiasMayNameATokenByItsText) {
  const std::string bias = "--sampler logit-bias,argmax --prompt 'The old king' --logit-bias.bias ";
  const std::string by_id = text(bias + "'307=-inf 198=-inf'");
  EXPECT_NE(by_id, text("--sampler argmax --prompt 'The old king'"));
  const Outcome done = run(bias + R"('" was"=-inf 198=-inf' --manifest run.json)");
  EXPECT_EQ(done.out, by_id) << done.err;
  EXPECT_THAT(read_text(folder() / "run.json"), HasSubstr("307=-inf 198=-inf"));
  EXPECT_EQ(text(R"(--sampler 'logit-bias:bias="\" was\"=-inf 198=-inf",argmax' --prompt 'The old king')"), by_id);
  EXPECT_EQ(text(bias + R"('"<|endoftext|>"=-inf "\u0020was"=-inf 198=-inf')"), by_id);
  EXPECT_THAT(refused(bias + R"('"Old"=-inf')"), IsRefusal(2, "logit-bias.bias", "\"Old\"", "46 305"));
  EXPECT_THAT(refused(bias + R"('"was=-inf')"), IsRefusal(2, "logit-bias.bias", "\"was=-inf"));
  EXPECT_THAT(Shell::run("gpt2run -q -m synthetic:L=1,C=8,H=2,F=12,V=50,T=16 --tokens 1 --sink tokens --sampler "
                         "logit-bias,argmax --logit-bias.bias '\"was\"=1'"),
              IsRefusal(2, "logit-bias.bias", "\"was\"", "no tokenizer"));
}

TEST_F(Chain, WithStateOrHistoryASampleIsTheSameInAnyBatch) {
  const std::string chain =
      "--sampler "
      "no-repeat-ngram,frequency-penalty,presence-penalty,logit-bias:bias=13=1,min-tokens,typical,mirostat:tau=4 ";
  const std::string alone = text(chain + "--samples 5 --batch 1 --sink tokens");
  EXPECT_EQ(text(chain + "--samples 5 --batch 3 --sink tokens"), alone);
  EXPECT_EQ(text(chain + "--samples 5 --batch 5 --threads 2 --recompute --sink tokens"), alone);
}

// The demo model's end of text has id 4095.
TEST_F(Chain, MinTokensKnowsTheEndsOfTheModel) {
  const auto ids = [&](const std::string& options) {
    return text("--sink tokens --sampler logit-bias:bias=4095=1000," + options + ",argmax");
  };
  const std::string three = ids("min-tokens:min_tokens=3");
  EXPECT_EQ(std::count(three.begin(), three.end(), ' '), 3) << three;
  EXPECT_THAT(three, testing::EndsWith(" 4095\n"));
  EXPECT_EQ(ids("min-tokens:min_tokens=3:ends=4095"), three);
  EXPECT_EQ(ids("min-tokens:min_tokens=3:ends=5"), "4095\n");
  EXPECT_THAT(run("--explain --sampler min-tokens,argmax").out, HasSubstr("min_tokens 1, ends 4095"));
  const std::string endless = "-m synthetic:L=1,C=64,H=1,F=64,V=20,T=16,end_of_text=-1 --tokens 1 --sink tokens -n 2 ";
  EXPECT_THAT(Shell::run("gpt2run --explain --sampler min-tokens,argmax " + endless).out, HasSubstr("ends none"));
}

TEST_F(Chain, ASinkThatWantsLogitsEndsTheReplays) {
  EXPECT_THAT(run("--precision fake --sink logits --explain").out, HasSubstr("a sink wants logits"));
}

TEST_F(Chain, ARecordedRunOnADeviceIsRepeated) {
  const Outcome first = run("--precision fake --sampler device-penalty:penalty=2 --temp 2 --manifest run.json");
  ASSERT_EQ(first.code, 0) << first.err;
  const Outcome again = Shell::run("gpt2run --config run.json --plugin-dir " CONTRACT);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, first.out);
  EXPECT_THAT(again.err, Not(HasSubstr("warning")));
}

TEST_F(Chain, ASamplerThatIsNotThereForTheDeviceNamesTheWayOut) {
  EXPECT_THAT(refused("--precision fake --sampler device-argmax"), IsRefusal(2, "\"argmax\"", "--sampler argmax"));
}

}  // namespace
}  // namespace gpt2run
