// Models by their names on Hugging Face's hub, and folders of its cache: opened from there, or how to get them is said.
#include <gmock/gmock.h>

#include "apps/shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsRefusal;
using testing::HasSubstr;

// The cache lies in hf/hub, as the hub's library makes it: snapshots of links into blobs.
class HubCache : public Shell {
 protected:
  // Makes a snapshot of a small model with this many layers.
  void make(const std::string& model, const std::string& snapshot, int layers) const {
    const std::string folder = "hf/hub/models--" + model;
    ASSERT_EQ(run("mkdir -p " + folder + "/blobs " + folder + "/refs " + folder + "/snapshots/" + snapshot +
                  " && gpt2convert -q -o new -m synthetic:C=8,H=2,V=40,T=9,L=" + std::to_string(layers) +
                  " && cd new && for file in *; do mv $file ../" + folder + "/blobs/" + snapshot +
                  "-$file && ln -s ../../blobs/" + snapshot + "-$file ../" + folder + "/snapshots/" + snapshot +
                  "/$file; done")
                  .code,
              0);
  }

  void set_main(const std::string& model, const std::string& snapshot) const {
    write("hf/hub/models--" + model + "/refs/main", snapshot);
  }

  // Opens a model and tells its layers on one line.
  Outcome open(const std::string& model, const std::string& environment = "HF_HOME=$PWD/hf") const {
    return run("env -u HF_HUB_CACHE -u HUGGINGFACE_HUB_CACHE " + environment +
               " gpt2run --explain -n 1 --tokens 1 -m " + model);
  }
};

TEST_F(HubCache, ANameIsOpenedFromTheCacheAndSaid) {
  make("openai-community--gpt2", "aaa", 1);
  make("openai-community--gpt2", "bbb", 2);
  set_main("openai-community--gpt2", "bbb\n");
  for (const char* name : {"openai-community/gpt2", "gpt2"}) {
    const Outcome done = open(name);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("models--openai-community--gpt2/snapshots/bbb")) << name;
    EXPECT_THAT(done.err, HasSubstr(std::string("model ") + name + ": ")) << name;
    EXPECT_THAT(done.err, HasSubstr("Hugging Face's cache"));
  }
}

TEST_F(HubCache, TheVariablesOfTheHubCount) {
  make("someone--tales", "aaa", 1);
  for (const char* environment :
       {"HF_HUB_CACHE=$PWD/hf/hub HF_HOME=/nowhere", "HF_HOME=$PWD/hf", "-u HF_HOME XDG_CACHE_HOME=$PWD/cache",
        "-u HF_HOME -u XDG_CACHE_HOME HOME=$PWD/home", "HOME=$PWD 'HF_HOME=~/hf'"}) {
    ASSERT_EQ(
        run("mkdir -p cache home/.cache && ln -sfn ../hf cache/huggingface && ln -sfn ../../hf home/.cache/huggingface")
            .code,
        0);
    EXPECT_EQ(open("someone/tales", environment).code, 0) << environment;
  }
}

TEST_F(HubCache, AFolderOfTheCacheStandsForItsSnapshot) {
  make("someone--tales", "aaa", 1);
  const std::string folder = "hf/hub/models--someone--tales";
  EXPECT_THAT(open(folder).out, HasSubstr("snapshots/aaa"));  // the only one
  set_main("someone--tales", "gone");
  EXPECT_THAT(open(folder).err, HasSubstr("refs/main names \"gone\", which is not there: aaa is taken"));
  ASSERT_EQ(run("rm " + folder + "/refs/main && mkfifo " + folder + "/refs/main").code, 0);
  EXPECT_THAT(open(folder).out, HasSubstr("snapshots/aaa"));
  ASSERT_EQ(run("rm " + folder + "/refs/main").code, 0);
  make("someone--tales", "bbb", 2);
  const Outcome several = run("gpt2run -q --explain -n 1 --tokens 1 -m " + folder);
  EXPECT_THAT(several, IsRefusal(1, "model " + folder + ":", "refs/main", "2 snapshots", "snapshots/aaa"));
  set_main("someone--tales", "ccc");
  EXPECT_THAT(run("gpt2run -q --explain -m " + folder), IsRefusal(1, "refs/main", "\"ccc\""));
  set_main("someone--tales", "aaa");
  EXPECT_THAT(open(folder + "/").out, HasSubstr("snapshots/aaa"));
  ASSERT_EQ(run("rm -r " + folder + "/snapshots/*").code, 0);
  EXPECT_THAT(run("gpt2run -q --explain -m " + folder), IsRefusal(1, "snapshot", "none"));
}

TEST_F(HubCache, WhatLiesHereComesFirst) {
  make("gpt2", "aaa", 1);
  ASSERT_EQ(run("gpt2convert -q -o gpt2 -m synthetic:C=8,H=2,V=40,T=9,L=3").code, 0);
  const Outcome done = open("gpt2");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out.find("snapshots"), done.out.npos);
}

TEST_F(HubCache, EveryProgramTakesTheName) {
  make("gpt2", "aaa", 1);
  EXPECT_EQ(run("HF_HOME=$PWD/hf gpt2convert -q -m gpt2 -o copy").code, 0);
  EXPECT_EQ(run("HF_HOME=$PWD/hf GPT2RUN_MODEL=gpt2 gpt2run -q -n 1 --tokens 1 --sink null").code, 0);
  EXPECT_EQ(run("HF_HOME=$PWD/hf gpt2compare -q -m gpt2 --test-model gpt2 --tokens 1,2 --floor off").code, 0);
}

TEST_F(HubCache, WhatIsNotThereIsSaidWithHowToGetIt) {
  const auto refused = [&](const std::string& model, const auto&... words) {
    EXPECT_THAT(run("HF_HOME=$PWD/hf gpt2run -q -m " + model), IsRefusal(1, "model " + model + ":", words...));
  };
  refused("gpt2", "HF_HOME", "scripts/download_gpt2.sh", "124M");
  refused("openai-community/gpt2-xl", "HF_HOME", "scripts/download_gpt2.sh", "1558M");
  refused("someone/tales", "HF_HOME", "scripts/download_gpt2.sh");
}

TEST_F(HubCache, ALinkToNothingIsNamed) {
  make("gpt2", "aaa", 1);
  const std::string snapshot = "hf/hub/models--gpt2/snapshots/aaa/";
  for (const char* file : {"model.safetensors", "config.json"}) {
    ASSERT_EQ(run("mv hf/hub/models--gpt2/blobs/aaa-" + std::string(file) + " away").code, 0);
    EXPECT_THAT(run("gpt2run -q --tokens 1 -m " + snapshot),
                IsRefusal(1, snapshot + file + ":", "link to nothing", "../../blobs/aaa-" + std::string(file)));
    EXPECT_THAT(run("gpt2run -q --tokens 1 -m " + snapshot + "model.safetensors"),
                IsRefusal(1, snapshot + file + ":", "link to nothing"));
    ASSERT_EQ(run("mv away hf/hub/models--gpt2/blobs/aaa-" + std::string(file)).code, 0);
  }
}

}  // namespace
}  // namespace gpt2run
