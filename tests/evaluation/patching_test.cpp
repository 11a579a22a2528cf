// gpt2compare --patch and --patch_sweep as a user types them.
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

constexpr char kThreeLayers[] = " -q --model synthetic:L=3,C=48,H=3,F=100,V=301,T=64 ";
constexpr char kText[] = "3 41 141 2 17 250 88 9", kOther[] = "77 5 291 30 4 118 260 13";

class Gpt2comparePatch : public Shell {
 protected:
  static std::string line(const std::string& options, const std::string& text = kText) {
    return "gpt2compare" + std::string(kThreeLayers) + "--tokens '" + text + "' " + options;
  }
  json patched(const std::string& options, const std::string& text = kText) const {
    const Outcome done = run(line(options + " --json -", text));
    EXPECT_EQ(done.code, 0) << options << "\n" << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
};

TEST_F(Gpt2comparePatch, ShowsWhatChangesFromItsPositionOn) {
  for (const char* ref : {"cpu-fp32", "cpu-bf16", "reference:w=int8"}) {
    const json all = patched(std::string("--ref ") + ref + " --patch op=down_add,layer=1,positions=3-4,zero");
    const json& text = all.at("texts").at(0);
    EXPECT_EQ(all.at("precision"), ref);
    EXPECT_EQ(text.at("first_patched"), 3);
    ASSERT_EQ(text.at("positions").size(), 8u);
    for (const json& one : text.at("positions")) {
      const double kl = one.at("kl");
      if (one.at("position") < 3) {
        EXPECT_EQ(kl, 0) << ref << one;
      } else {
        EXPECT_GT(kl, 0) << ref << one;
      }
    }
    ASSERT_GE(text.at("answers").size(), 1u);
    EXPECT_EQ(text.at("answers").at(0).at("before").at("rank"), 1) << "the answer that is most likely without patches";
  }
}

TEST_F(Gpt2comparePatch, OwnValuesChangeNothing) {
  for (const char* source : {"scale=1", "from_tokens=3 41 141 2 17 250 88 9"})
    for (const char* op :
         {"embed", "norm_qkv", "attention", "project_add", "norm_up_gelu", "down_add", "norm_logits"}) {
      const json all = patched(std::string("--answer '#7' --patch 'op=") + op + "," + source + "'");
      for (const json& one : all.at("texts").at(0).at("positions")) EXPECT_EQ(one.at("kl"), 0) << op << source;
      const json& answer = all.at("texts").at(0).at("answers").at(0);
      EXPECT_EQ(answer.at("token"), 7);
      EXPECT_EQ(answer.at("before"), answer.at("after")) << op << source;
    }
}

TEST_F(Gpt2comparePatch, TheLastResidualOfAnotherTextGivesItsAnswer) {
  const std::string patch = std::string("--answer '#7' --patch 'op=down_add,layer=2,from_tokens=") + kOther + "'";
  const json mine = patched(patch).at("texts").at(0).at("answers").at(0);
  const json theirs = patched("--answer '#7' --patch op=embed,scale=1", kOther).at("texts").at(0).at("answers").at(0);
  EXPECT_EQ(mine.at("after"), theirs.at("before"));
  EXPECT_NE(mine.at("before"), theirs.at("before"));
}

TEST_F(Gpt2comparePatch, TheNumberOfThreadsChangesNothing) {
  const std::string options =
      "--patch op=embed,positions=2,noise=3,size=2 --patch op=attention,layer=1+2,heads=0-1,mean "
      "--patch_sweep op=project_add+norm_up_gelu,from_tokens='" +
      std::string(kText) + "'";
  const json one = patched(options + " -t 1"), three = patched(options + " -t 3");
  EXPECT_EQ(one.at("texts"), three.at("texts"));
  EXPECT_EQ(one.at("sweep"), three.at("sweep"));
}

// In the last layer the residual of the last position is all that the answer is made of.
TEST_F(Gpt2comparePatch, ASweepFindsWhatCarriesTheAnswer) {
  const json sweep =
      patched(std::string("--answer '#7' --answer '#9' --patch_sweep 'op=embed+down_add,from_tokens=") + kOther + "'")
          .at("sweep");
  EXPECT_EQ(sweep.at("metric"), "logit_difference");
  EXPECT_NE(sweep.at("clean"), sweep.at("corrupted"));
  const json &embed = sweep.at("maps").at(0), &down = sweep.at("maps").at(1);
  EXPECT_EQ(embed.at("op"), "embed");
  EXPECT_EQ(embed.at("layers"), json({-1}));
  EXPECT_EQ(down.at("layers"), json({0, 1, 2}));
  EXPECT_EQ(down.at("positions"), json({0, 1, 2, 3, 4, 5, 6, 7}));
  for (size_t position = 0; position < 8; ++position)
    EXPECT_EQ(down.at("effects").at(2).at(position), position == 7 ? 1.0 : 0.0) << position;
  EXPECT_EQ(down.at("values").at(2).at(7), sweep.at("clean"));
  EXPECT_EQ(down.at("values").at(2).at(0), sweep.at("corrupted"));
  EXPECT_NE(down.at("effects").at(0).at(6), 0.0) << "what an early position passes on by attention";
  const json one = patched(std::string("--answer '#7' --answer '#9' --patch 'op=down_add,layer=0,positions=6,"
                                       "from_tokens=") +
                           kOther + "'")
                       .at("texts")
                       .at(0)
                       .at("answers");
  const double alone =
      one.at(0).at("after").at("logit").get<double>() - one.at(1).at("after").at("logit").get<double>();
  EXPECT_EQ(down.at("values").at(0).at(6), alone) << "the same as that patch alone";
}

// Causal tracing: noise in the embedding, and one state after the other as it is without.
TEST_F(Gpt2comparePatch, ASweepRestoresWhatAPatchHasSpoilt) {
  const json all = patched(std::string("--answer '#7' --patch op=embed,positions=1-2,noise=1,size=3 "
                                       "--patch_sweep 'op=down_add,from_tokens=") +
                           kText + "'");
  const json& sweep = all.at("sweep");
  EXPECT_EQ(sweep.at("metric"), "probability");
  const json& answer = all.at("texts").at(0).at("answers").at(0);
  EXPECT_NEAR(sweep.at("clean"), std::exp(answer.at("before").at("logprob").get<double>()), 1e-12);
  EXPECT_NEAR(sweep.at("corrupted"), std::exp(answer.at("after").at("logprob").get<double>()), 1e-12);
  const json& effects = sweep.at("maps").at(0).at("effects");
  EXPECT_EQ(effects.at(0).at(0), 0.0) << "nothing is spoilt before the noise";
  EXPECT_EQ(effects.at(2).at(7), 1.0);
}

TEST_F(Gpt2comparePatch, ASweepWithoutADonorShowsDifferences) {
  const json sweep = patched("--answer '#7' --patch_sweep op=attention,layer=1-2,positions=2-3+last,zero").at("sweep");
  EXPECT_TRUE(sweep.at("clean").is_null());
  const json& map = sweep.at("maps").at(0);
  EXPECT_EQ(map.at("layers"), json({1, 2}));
  EXPECT_EQ(map.at("positions"), json({2, 3, 7}));
  EXPECT_EQ(map.at("effects").at(1).at(0), 0.0);
  EXPECT_NEAR(map.at("effects").at(1).at(2),
              map.at("values").at(1).at(2).get<double>() - sweep.at("corrupted").get<double>(), 1e-15);
}

TEST_F(Gpt2comparePatch, PrintsTables) {
  const Outcome done = run(line("--patch op=attention,layer=1,zero --patch_sweep op=down_add,zero --answer '#7'"));
  EXPECT_EQ(done.code, 0) << done.err;
  for (const char* part : {"--patch op=attention,layer=1,zero", "KL(UNPATCHED || PATCHED)", "LOG-PROBABILITY CHANGE",
                           "\"#7\"", "down_add\n", "the largest effect is"})
    EXPECT_THAT(done.out, HasSubstr(part));
}

TEST_F(Gpt2comparePatch, AnEffectThatIsNoNumberIsAnError) {
  EXPECT_THAT(run(line("--patch_sweep op=norm_qkv,layer=1,positions=2+last,scale=3e38 --json all.json")),
              IsRefusal(1, "gpt2compare", "norm_qkv of layer 1 at position 2", "NaN"));
  EXPECT_THAT(run(line("--patch op=norm_qkv,layer=1,positions=2,scale=3e38 --json all.json")),
              IsRefusal(1, "gpt2compare", "--patch", "position 2", "NaN"));
}

TEST_F(Gpt2comparePatch, NothingIsZeroWithoutASign) {
  const Outcome done = run(line("--patch_sweep op=attention,scale=1.00001 --answer '#7'"));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("no effect is as large as 0.001"));
  EXPECT_THAT(done.out, testing::Not(HasSubstr("-0.000")));
}

TEST_F(Gpt2comparePatch, RefusesWhatCannotBe) {
  const auto refused = [&](const std::string& options) { return run(line(options)); };
  EXPECT_THAT(refused("--patch layer=1,zero"), IsRefusal(2, "gpt2compare", "--patch:", "op"));
  EXPECT_THAT(refused("--patch op=norm_up_gellu,zero"), IsRefusal(2, "gpt2compare", "--patch:", "\"norm_up_gelu\""));
  EXPECT_THAT(refused("--patch op=attention,layers=1,zero"), IsRefusal(2, "gpt2compare", "--patch:", "\"layer\""));
  EXPECT_THAT(refused("--patch op=attention,layer=1"), IsRefusal(2, "gpt2compare", "--patch:", "zero", "none"));
  EXPECT_THAT(refused("--patch op=attention,zero,mean"), IsRefusal(2, "gpt2compare", "--patch:", "zero", "mean"));
  EXPECT_THAT(refused("--patch op=attention,layer=3,zero"), IsRefusal(2, "gpt2compare", "--patch:", "attention", "3"));
  EXPECT_THAT(refused("--patch op=embed,layer=0,zero"), IsRefusal(2, "gpt2compare", "--patch:", "embed", "0"));
  EXPECT_THAT(refused("--patch op=embed,positions=8,zero"), IsRefusal(2, "gpt2compare", "--patch:", "8"));
  EXPECT_THAT(refused("--patch op=embed,positions=5-2,zero"), IsRefusal(2, "gpt2compare", "--patch:", "\"5-2\""));
  EXPECT_THAT(refused("--patch op=embed,zero=1"), IsRefusal(2, "gpt2compare", "--patch:", "zero", "\"1\""));
  EXPECT_THAT(refused("--patch op=embed,scale=x"), IsRefusal(2, "gpt2compare", "--patch:", "scale", "\"x\""));
  EXPECT_THAT(refused("--patch op=embed,scale=1e40"),
              IsRefusal(2, "gpt2compare", "--patch:", "scale", "FP32", "\"1e40\""));
  EXPECT_THAT(refused("--patch op=embed,noise=1,size=-1"),
              IsRefusal(2, "gpt2compare", "--patch:", "size", "0", "\"-1\""));
  EXPECT_THAT(refused("--patch op=embed,noise=-1"), IsRefusal(2, "gpt2compare", "--patch:", "noise", "\"-1\""));
  EXPECT_THAT(refused("--patch op=embed,zero,size=2"), IsRefusal(2, "gpt2compare", "--patch:", "size=X", "\"zero\""));
  EXPECT_THAT(refused("--patch op=down_add,heads=0,zero"), IsRefusal(2, "gpt2compare", "--patch:", "heads", "0"));
  EXPECT_THAT(refused("--patch op=attention,heads=3,zero"), IsRefusal(2, "gpt2compare", "--patch:", "2", "3"));
  EXPECT_THAT(refused("--patch op=embed,from=Once"), IsRefusal(2, "gpt2compare", "--patch:", "from_tokens"));
  EXPECT_THAT(refused("--patch 'op=embed,from_tokens=1 2 3'"), IsRefusal(2, "gpt2compare", "--patch:", "8", "3"));
  EXPECT_THAT(refused("--patch 'op=embed,from_tokens=1 301'"), IsRefusal(2, "gpt2compare", "from_tokens:", "301"));
  EXPECT_THAT(refused("--patch 'op=embed,positions=1-,from_tokens=1 2'"),
              IsRefusal(2, "gpt2compare", "--patch:", "1-"));
  EXPECT_THAT(refused("--patch op=embed,zero --test bf16"), IsRefusal(2, "gpt2compare", "--test:", "--patch"));
  EXPECT_THAT(refused("--answer '#7'"), IsRefusal(2, "gpt2compare", "--answer:", "--patch"));
  EXPECT_THAT(refused("--patch op=embed,zero --answer x"), IsRefusal(2, "gpt2compare", "--answer:", "\"x\""));
  EXPECT_THAT(refused("--patch_sweep 'op=embed,from_tokens=1 2 3 4 5 6 7 8 9'"),
              IsRefusal(2, "gpt2compare", "--patch_sweep:", "8", "9"));
  EXPECT_THAT(refused("--tokens 1 --patch_sweep op=embed,zero"), IsRefusal(2, "gpt2compare", "--patch_sweep:", "2"));
  EXPECT_THAT(refused(std::string("--patch_sweep 'op=embed,from_tokens=") + kText + "'"),
              IsRefusal(1, "gpt2compare", "--patch_sweep:", "--answer"));
}

}  // namespace
}  // namespace gpt2run
