// gpt2run --patch: what it changes, that a manifest repeats it, and that neither batch nor threads change what it does.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::IsRefusal;
using testing::HasSubstr;

constexpr char kPatchedRun[] =
    "gpt2run -q --model synthetic:L=2,C=48,H=3,F=100,V=301,T=64 --sink tokens --sampler argmax ";
constexpr char kPrompts[] = "-n 12 --tokens '3 41 141 2 17' --tokens '250 88 9' ";

class PatchRun : public Shell {
 protected:
  std::string tokens(const std::string& options) const {
    const Outcome done = run(kPatchedRun + options);
    EXPECT_EQ(done.code, 0) << options << "\n" << done.err;
    return done.out;
  }
};

TEST_F(PatchRun, WhatItChangesDependsOnNothingElse) {
  const std::string patches =
      "--patch op=down_add,layer=0,positions=1-,scale=-1 --patch op=attention,positions=last,noise=5 ";
  const std::string plain = tokens(kPrompts), patched = tokens(kPrompts + patches);
  EXPECT_NE(plain, patched);
  EXPECT_EQ(patched, tokens(kPrompts + patches + "--batch 2"));
  EXPECT_EQ(patched, tokens(kPrompts + patches + "-t 3"));
  EXPECT_EQ(patched, tokens(kPrompts + patches + "--recompute"));
  EXPECT_EQ(plain, tokens(std::string(kPrompts) + "--patch op=norm_qkv,scale=1"));
  EXPECT_EQ(patched.substr(0, patched.find('\n')),
            tokens("-n 12 --tokens '3 41 141 2 17' " + patches).substr(0, patched.find('\n')));
  ASSERT_EQ(run(kPatchedRun + std::string(kPrompts) + patches + "--manifest run.json").code, 0);
  EXPECT_EQ(tokens("--config run.json"), patched);
}

TEST_F(PatchRun, AnotherPromptInTheLastResidualIsContinued) {
  const std::string other = tokens("--tokens '250 88 9' -n 1");
  EXPECT_NE(other, tokens("--tokens '3 41 141' -n 1"));
  for (const char* precision : {"cpu-fp32", "cpu-bf16"}) {
    const std::string with = std::string("--precision ") + precision + " -n 1 ";
    EXPECT_EQ(tokens(with + "--tokens '3 41 141' --patch 'op=down_add,layer=1,from_tokens=250 88 9'"),
              tokens(with + "--tokens '250 88 9'"));
  }
}

TEST_F(PatchRun, AManifestRepeatsADonorThatIsNotUtf8) {
  const std::string options = " -q -n 8 --sampler argmax --sink tokens ";
  const std::string patch = "--patch \"$(printf 'op=down_add,layer=0,positions=1,from=The \\377\\376 queen')\" ";
  const Outcome first = run("gpt2run --prompt 'The king was' --manifest run.json" + options + patch);
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.err, "");
  EXPECT_NE(first.out, run("gpt2run --prompt 'The king was'" + options).out);
  EXPECT_EQ(run("gpt2run -q --config run.json").out, first.out);
}

TEST_F(PatchRun, SaysWhatItDoesAndWhatCannotBe) {
  EXPECT_THAT(run(std::string(kPatchedRun) + "-n 12 --tokens 3 --explain --patch op=embed,zero").out,
              HasSubstr("patch       op=embed,zero"));
  EXPECT_THAT(run("gpt2run -q -n 2 --prompt a --plugin-dir " CONTRACT " --precision fake --patch op=embed,zero"),
              IsRefusal(1, "gpt2run", "fake", "taps"));
  const auto refused = [&](const std::string& patch) {
    return run(std::string(kPatchedRun) + kPrompts + "--patch " + patch);
  };
  EXPECT_THAT(refused("op=attention,layer=2,zero"), IsRefusal(2, "gpt2run", "--patch:", "attention", "2"));
  EXPECT_THAT(refused("op=embed,positions=30,zero"), IsRefusal(2, "gpt2run", "--patch:", "embed", "16", "30"));
  EXPECT_THAT(refused("'op=embed,from_tokens=1 2 3 4'"), IsRefusal(2, "gpt2run", "--patch:", "0", "5", "4"));
  EXPECT_THAT(refused("op=embed,zero --patch op=embed,positions=30,zero --patch op=embed,zero"),
              IsRefusal(2, "gpt2run", "--patch (number 2 of 3):", "30"));
  EXPECT_THAT(run("gpt2run -q --report weights --patch op=embed,zero"),
              IsRefusal(2, "gpt2run", "--patch", "--report weights"));
}

}  // namespace
}  // namespace gpt2run
