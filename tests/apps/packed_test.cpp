// Packed weights: what gpt2convert --packed writes and GPT2RUN_CACHE keeps gives the same bits as the model itself, is
// used and not made again, and is refused or left out when its source is no longer what it was.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "gpt2run/files/sha256.hpp"
#include "shell.hpp"
#include "support/messages.hpp"

namespace gpt2run {
namespace {

using test::HasMessage;
using test::IsRefusal;
using testing::HasSubstr;
using Json = nlohmann::json;

TEST(Sha256, KnownSums) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;  // in pieces of a length that no block has
  const std::string piece(37, 'a');
  for (size_t left = 1'000'000; left > 0; left -= std::min(left, piece.size()))
    million.add(std::string_view(piece).substr(0, left));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

class Packed : public Shell {
 protected:
  void SetUp() override {
    // Odd sizes: a panel that is not full, and a last pair without its second input.
    make_model("m", "synthetic:L=2,C=35,H=5,F=67,V=131,T=24");
  }

  void make_model(const std::string& name, const std::string& from) const {
    ASSERT_EQ(run("gpt2convert -q -o " + name + " -m " + from).code, 0);
  }
  void pack(const std::string& precision, const std::string& more = "") const {
    const Outcome done = run("gpt2convert -q -m m --packed " + precision + " -o p " + more);
    ASSERT_EQ(done.code, 0) << done.err;
    ASSERT_EQ(done.err, "");
  }

  // Runs a few tokens, and returns their logits by the bytes of the file.
  std::string logits(const std::string& model, const std::string& precision, const std::string& before = "") const {
    const Outcome done = run(before + " gpt2run -q -m " + model + " --precision " + precision +
                             " --tokens 1,2,3 -n 3 --sampler argmax --sink logits:dir=l && cat l/*");
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_EQ(done.err, "");
    return done.out;
  }

  Json manifest(const std::string& folder_name) const {
    return Json::parse(read_text(folder() / folder_name / "packed.json"));
  }
  void set_manifest(const std::string& folder_name, const Json& json) const {
    write(folder_name + "/packed.json", json.dump());
  }

  // Weights that give other logits, in place of those of a folder.
  void blank(const std::string& folder_name) const {
    const size_t size = std::filesystem::file_size(folder() / folder_name / "packed.bin");
    write(folder_name + "/packed.bin", std::string(size, '\0'));
  }

  template <class... Word>
  void expect_refused(const Word&... words) const {
    EXPECT_THAT(run("gpt2run -q -m p --precision cpu-fp32 --tokens 1 -n 1 --sampler argmax --sink tokens"),
                IsRefusal(1, "gpt2run", words...));
  }
};

TEST_F(Packed, TheSameBitsInEveryType) {
  for (const char* precision :
       {"cpu-fp32", "cpu-fp16", "cpu-bf16", "cpu-int8", "cpu-int4", "cpu-int4:head=bf16", "cpu-int8:head=fp32"}) {
    SCOPED_TRACE(precision);
    pack(precision, "--force");
    const std::string expected = logits("m", precision);
    EXPECT_TRUE(logits("p", precision) == expected);
    blank("p");
    EXPECT_FALSE(logits("p", precision) == expected);  // they are not made again
  }
}

// Another instruction set reads the same layout, another type does not.
TEST_F(Packed, OtherPrecisionsReadTheSource) {
  pack("cpu-fp32:isa=portable");
  EXPECT_TRUE(logits("p", "cpu-bf16") == logits("m", "cpu-bf16"));
  EXPECT_TRUE(logits("p", "reference") == logits("m", "reference"));
  EXPECT_TRUE(logits("p", "cpu-fp32:isa=portable") == logits("m", "cpu-fp32:isa=portable"));
  const std::string usual = logits("m", "cpu-fp32");
  EXPECT_TRUE(logits("p", "cpu-fp32") == usual);
  blank("p");
  EXPECT_FALSE(logits("p", "cpu-fp32") == usual);
  ASSERT_EQ(run("gpt2convert -q -m p -o copy").code, 0);
  EXPECT_TRUE(read_text(folder() / "copy/model.safetensors") == read_text(folder() / "m/model.safetensors"));
}

TEST_F(Packed, SaysWhatItIsMadeOf) {
  pack("cpu-bf16");
  const Json json = manifest("p");
  EXPECT_EQ(json["format"], 1);
  EXPECT_EQ(json["source"]["model"], (folder() / "m").string());
  EXPECT_EQ(json["source"]["loader"], "huggingface");
  ASSERT_EQ(json["source"]["files"].size(), 2u);
  const Json& weights = json["source"]["files"][1];
  EXPECT_EQ(weights["path"], (folder() / "m/model.safetensors").string());
  EXPECT_EQ(weights["sha256"], sha256_of(read_text(folder() / "m/model.safetensors")));
  EXPECT_EQ(json["data"]["sha256"], sha256_of(read_text(folder() / "p/packed.bin")));
  for (const Json& weight : json["weights"]) {
    EXPECT_EQ(weight["offset"].get<size_t>() % 64, 0u);
    EXPECT_THAT(weight["layout"].get<std::string>(), testing::StartsWith("type=bf16:"));
  }
  EXPECT_EQ(json["weights"].size(), 2 + 2 * 12 + 2u);  // the head is wte's
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(folder() / "p").permissions(), fs::perms::owner_all);
}

// The slash that a shell completes belongs to no name.
TEST_F(Packed, AnOutputWithASlashAtItsEnd) {
  for (const char* out : {"p/", "p// --force", "sub/p/.", "p/ --force"}) {
    SCOPED_TRACE(out);
    ASSERT_EQ(run(std::string("gpt2convert -q -m m --packed cpu-fp32 -o ") + out).code, 0);
  }
  EXPECT_TRUE(logits("p/", "cpu-fp32") == logits("m", "cpu-fp32"));
  EXPECT_TRUE(logits("sub/p", "cpu-fp32") == logits("m", "cpu-fp32"));
  EXPECT_EQ(run("ls -A p sub").out, "p:\npacked.bin\npacked.json\n\nsub:\np\n");
  write("file", "text");
  EXPECT_EQ(run("gpt2convert -q -m m --packed cpu-fp32 -o file/ --force").code, 1);
  EXPECT_EQ(read_text(folder() / "file"), "text");
  ASSERT_EQ(run("gpt2convert -q -m m -o new/copy/").code, 0);
  EXPECT_EQ(run("ls -A new/copy").out, "SHA256SUMS\nconfig.json\nmodel.safetensors\n");
}

TEST_F(Packed, AModelWithAHeadOfItsOwn) {
  make_model("m --force", "synthetic:L=1,C=12,H=2,V=70,T=9,tied=0");
  pack("cpu-fp32");
  EXPECT_TRUE(logits("p", "cpu-fp32") == logits("m", "cpu-fp32"));
  EXPECT_EQ(manifest("p")["weights"].size(), 2 + 12 + 3u);
}

// A quantised folder is packed as its exact values.
TEST_F(Packed, OfAQuantisedFolder) {
  ASSERT_EQ(run("gpt2convert -q -m m -o q --type int8 && rm -r m && mv q m").code, 0);
  pack("cpu-bf16");
  EXPECT_TRUE(logits("p", "cpu-bf16") == logits("m", "cpu-bf16"));
}

TEST_F(Packed, AChangedSourceIsRefused) {
  pack("cpu-fp32");
  const auto changed = [&](const std::string& change, const auto&... words) {
    SCOPED_TRACE(change);
    ASSERT_EQ(run("cp -rp m kept && cp -rp p p-kept && " + change).code, 0);
    expect_refused("p:", "--packed", words...);
    ASSERT_EQ(run("rm -rf m p && cp -rp kept m && mv p-kept p && rm -r kept").code, 0);
    ASSERT_EQ(run("rm -rf p").code, 0);
    pack("cpu-fp32");
  };
  const std::string weights = (folder() / "m/model.safetensors").string();
  changed("touch -d '2001-01-01' m/model.safetensors", weights);
  changed("printf x >>m/model.safetensors", weights, "bytes");
  changed("cp m/model.safetensors x && rm m/model.safetensors && mv x m/model.safetensors", weights);
  changed("sed -i 's/\"n_head\": 5/\"n_head\": 7/' m/config.json", (folder() / "m/config.json").string());
  changed("cp m/model.safetensors m/other.safetensors", (folder() / "m/other.safetensors").string(), "new");
  changed("mv m/config.json m/config.txt", (folder() / "m/config.json").string());
  EXPECT_EQ(run("mv m moved").code, 0);
  expect_refused("m");
}

// Files beside the weights, and another name of the folder, change nothing.
TEST_F(Packed, OtherFilesBesideTheSourceDoNotMatter) {
  pack("cpu-fp32");
  const std::string expected = logits("m", "cpu-fp32");
  ASSERT_EQ(run("touch m/notes.txt m/vocabulary.json && mv p elsewhere && ln -s elsewhere p").code, 0);
  EXPECT_TRUE(logits("p", "cpu-fp32") == expected);
}

TEST_F(Packed, ADamagedFolderIsRefused) {
  pack("cpu-fp32");
  const Json good = manifest("p");
  const auto refused = [&](const std::function<void(Json&)>& edit, const auto&... words) {
    Json json = good;
    edit(json);
    set_manifest("p", json);
    expect_refused("p/packed.json:", words...);
    set_manifest("p", good);
  };
  refused([](Json& j) { j["format"] = 2; }, "1", "2");
  refused([](Json& j) { j["weights"][3]["offset"] = 63; }, "64", "63");
  refused([](Json& j) { j["weights"][3]["offset"] = uint64_t{1} << 63; }, "packed.bin");
  refused([](Json& j) { j["weights"][3]["bytes"] = UINT64_MAX; }, "packed.bin");
  refused([](Json& j) { j["weights"][3]["weight"] = "wte2"; }, "\"wte2\"");
  refused([](Json& j) { j["weights"][3]["layer"] = -1; }, "-1");
  refused([](Json& j) { j.erase("source"); }, "source");
  write("p/packed.json", "{");
  expect_refused("p/packed.json:", "JSON");
  set_manifest("p", good);
  const std::string data = read_text(folder() / "p/packed.bin");
  write("p/packed.bin", data.substr(1));
  expect_refused("p/packed.bin:", std::to_string(data.size()), std::to_string(data.size() - 1));
  ASSERT_EQ(run("rm p/packed.bin").code, 0);
  expect_refused("p/packed.bin:");
}

// A weight of another size, or none, is converted with all others.
TEST_F(Packed, AWeightThatDoesNotFitIsConverted) {
  pack("cpu-fp32");
  const std::string expected = logits("m", "cpu-fp32");
  Json json = manifest("p");
  json["weights"][3]["bytes"] = 4;
  set_manifest("p", json);
  blank("p");
  EXPECT_TRUE(logits("p", "cpu-fp32") == expected);
  json["weights"].erase(3);
  set_manifest("p", json);
  EXPECT_TRUE(logits("p", "cpu-fp32") == expected);
}

// Two weights of one size that have changed places.
TEST_F(Packed, WeightsOutOfOrderAreRefused) {
  pack("cpu-fp32");
  Json json = manifest("p");
  std::swap(json["weights"][3]["offset"], json["weights"][4]["offset"]);
  set_manifest("p", json);
  EXPECT_THAT(run("gpt2run -q -m p --precision cpu-fp32 --tokens 1 -n 1"),
              IsRefusal(1, "gpt2run", "p/packed.json:", "weights[4].offset:", "64"));
}

TEST_F(Packed, WhatStandsBesideThemIsNotLost) {
  pack("cpu-fp32");
  std::ofstream(folder() / "p/notes.txt") << "mine";
  EXPECT_THAT(run("gpt2convert -m m --packed cpu-fp32 --out p --force"),
              IsRefusal(1, "gpt2convert", "p:", "\"notes.txt\""));
  EXPECT_EQ(read_text(folder() / "p/notes.txt"), "mine");
  std::filesystem::remove(folder() / "p/notes.txt");
  std::filesystem::rename(folder() / "p", folder() / "q");
  std::filesystem::create_directory_symlink("q", folder() / "p");
  EXPECT_THAT(run("gpt2convert -m m --packed cpu-fp32 --out p --force"), IsRefusal(1, "gpt2convert", "p:"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder() / "p"));
}

TEST_F(Packed, NoOutputReplacesTheSource) {
  pack("cpu-fp32");
  const std::string before = read_text(folder() / "m/config.json");
  for (const char* file : {"m/config.json", "p/packed.json"})
    EXPECT_THAT(run("gpt2run -q -m p --precision cpu-fp32 --tokens 1 -n 1 --sampler argmax --sink tokens:out=" +
                    std::string(file)),
                IsRefusal(2, "gpt2run", "--tokens.out", "--model"));
  EXPECT_EQ(read_text(folder() / "m/config.json"), before);
}

TEST_F(Packed, VerifyReadsEverything) {
  pack("cpu-fp32");
  EXPECT_THAT(run("gpt2convert --verify -m p").err, HasMessage("gpt2convert", "p:"));
  std::string data = read_text(folder() / "p/packed.bin");
  data[data.size() / 2] ^= 1;
  write("p/packed.bin", data);
  EXPECT_THAT(run("gpt2convert --verify -m p"), IsRefusal(1, "gpt2convert", "p/packed.bin:", "SHA-256"));
  // A change that keeps size and time is not seen at start.
  pack("cpu-fp32", "--force");
  ASSERT_EQ(run("touch -r m/model.safetensors stamp && printf x | dd of=m/model.safetensors bs=1 conv=notrunc "
                "seek=$(($(stat -c %s m/model.safetensors) - 9)) status=none && touch -r stamp m/model.safetensors")
                .code,
            0);
  EXPECT_EQ(logits("p", "cpu-fp32").empty(), false);
  EXPECT_THAT(run("gpt2convert --verify -m p"), IsRefusal(1, "gpt2convert", "m/model.safetensors:", "SHA-256"));
  // gpt2convert wrote the sums of the model itself, too.
  EXPECT_THAT(run("gpt2convert --verify -m m"), IsRefusal(1, "gpt2convert", "m/model.safetensors:", "SHA256SUMS"));
}

TEST_F(Packed, TheDemoModelHasItsSums) {
  EXPECT_EQ(run("gpt2run -q --verify --prompt a -n 1").err, "");
  EXPECT_EQ(run("cd " SOURCE_DIR "/models/demo && sha256sum --quiet -c SHA256SUMS").code, 0);
}

TEST_F(Packed, VerifyComparesAModelWithTheSumsBesideIt) {
  const std::string tokens = " --tokens 1,2 -n 2 --sampler argmax --sink tokens";
  EXPECT_EQ(run("cd m && sha256sum --quiet -c SHA256SUMS").code, 0);
  EXPECT_EQ(run("gpt2convert -q --verify -m m").code, 0);
  const Outcome right = run("gpt2run -q --verify -m m --manifest run.json" + tokens);
  EXPECT_EQ(right.code, 0) << right.err;
  EXPECT_EQ(Json::parse(read_text(folder() / "run.json"))["model"]["files"].size(), 2u);
  EXPECT_EQ(run("gpt2run -q --config run.json" + tokens).out, right.out);
  std::string data = read_text(folder() / "m/model.safetensors");
  data.back() ^= 1;
  write("m/model.safetensors", data);
  for (const char* command : {"gpt2run -q -m m --tokens 1", "gpt2perplexity -q -m m --tokens 1,2,3"}) {
    EXPECT_EQ(run(command).code, 0) << command;
    const Outcome refused = run(command + std::string(" --verify"));
    EXPECT_EQ(refused.code, 1) << command;
    EXPECT_THAT(refused.err, HasMessage("m/model.safetensors:", "SHA-256", "SHA256SUMS"));
  }
  // The sums of the recorded run are another witness.
  std::filesystem::remove(folder() / "m/SHA256SUMS");
  EXPECT_THAT(run("gpt2run -q --config run.json" + tokens), IsRefusal(1, "gpt2run", "model.safetensors", "recorded"));
  EXPECT_EQ(run("gpt2run -q --config run.json --verify=off" + tokens).code, 0);
  EXPECT_THAT(run("gpt2convert --verify -m m"), IsRefusal(1, "gpt2convert", "--verify", "SHA256SUMS"));
  EXPECT_THAT(run("gpt2run -q --verify -m m" + tokens).err, HasMessage("gpt2run", "--verify", "SHA256SUMS"));
  ASSERT_EQ(run("ln -s /dev/zero m/zero && echo $(yes a | head -n 64 | tr -d '\\n') ' zero' >m/SHA256SUMS").code, 0);
  EXPECT_THAT(run("gpt2convert --verify -m m"), IsRefusal(1, "gpt2convert", "m/zero:", "regular file"));
  EXPECT_EQ(run("gpt2run -q -m m --manifest - --sampler argmax --sink null --tokens 1").out.find("sha256"),
            std::string::npos);
}

TEST_F(Packed, AListOfSumsIsReadStrictly) {
  ASSERT_EQ(run("gpt2convert -q -m m --to gguf -o a.gguf").code, 0);
  EXPECT_EQ(run("gpt2convert -q --verify -m a.gguf && sha256sum --quiet -c a.gguf.sha256").code, 0);
  const std::string good = read_text(folder() / "a.gguf.sha256");
  for (const std::string& bad :
       {good.substr(1), good + "\n", good + good, good.substr(0, 66) + "../a.gguf\n", std::string("a.gguf\n")}) {
    write("a.gguf.sha256", bad);
    EXPECT_THAT(run("gpt2convert -q --verify -m a.gguf"), IsRefusal(1, "gpt2convert", "a.gguf.sha256:", "line")) << bad;
  }
  write("a.gguf.sha256", std::string(64, '0') + " a.gguf\n");
  EXPECT_THAT(run("gpt2convert -q --verify -m a.gguf"), IsRefusal(1, "gpt2convert", "a.gguf.sha256:", "a.gguf"));
  write("a.gguf.sha256", std::string(64, '0') + "  none.gguf\n");
  EXPECT_THAT(run("gpt2convert -q --verify -m a.gguf"), IsRefusal(1, "gpt2convert", "a.gguf.sha256:", "none.gguf"));
}

TEST_F(Packed, VerifyNamesAFileWithoutASum) {
  ASSERT_EQ(run("gpt2convert -q -m m -o k").code, 0);
  const std::string sums = run("sort k/SHA256SUMS").out, whole = read_text(folder() / "k/SHA256SUMS");
  ASSERT_EQ(run("gpt2convert -q -m m -o k --force").code, 0);
  EXPECT_EQ(run("sort k/SHA256SUMS").out, sums) << "files that held their bytes before";
  write("k/SHA256SUMS", whole.substr(0, whole.find('\n') + 1));
  EXPECT_THAT(run("gpt2convert -q --verify -m k"), IsRefusal(1, "gpt2convert", "--verify", "no sum", "SHA256SUMS"));
}

TEST_F(Packed, WrongCommandLines) {
  const auto refused = [&](int code, const std::string& arguments, const auto&... words) {
    const size_t before = entries();
    EXPECT_THAT(run("gpt2convert -q " + arguments), IsRefusal(code, "gpt2convert", words...)) << arguments;
    EXPECT_EQ(entries(), before) << arguments;
  };
  refused(2, "-m m --packed cpu-fp32", "--out");
  refused(2, "-m m --packed cpu-fp32 -o p --type bf16", "--packed", "--type");
  refused(2, "-m m --packed cpu-fp32 -o p --to gguf", "--packed", "--to");
  refused(2, "-m m --packed cpu-fp32,cpu-bf16 -o p", "--packed", "2");
  refused(1, "-m synthetic:L=1,C=12,H=2,V=31,T=5 --packed cpu-fp32 -o p", "synthetic:L=1,C=12,H=2,V=31,T=5", "files");
  refused(1, "-m m --packed reference -o p", "--packed", "reference");
  refused(1, "-m m --packed cpu-fp32 -o m", "m:", "exists");
  pack("cpu-fp32");
  refused(1, "-m m --packed cpu-bf16 -o p", "p:", "--force");
  refused(1, "-m m -o p", "p:", "packed");
  refused(1, "-m m -o p --force", "p:", "packed");
}

class PackedCache : public Packed {
 protected:
  static constexpr const char* kCache = "GPT2RUN_CACHE=cache";

  std::string only_entry() const {
    const std::string names = run("ls -A cache").out;
    EXPECT_EQ(std::count(names.begin(), names.end(), '\n'), 1) << names;
    return "cache/" + names.substr(0, names.find('\n'));
  }
  Outcome run_cached(const std::string& precision) const {
    return run(std::string(kCache) + " gpt2run -m m --precision " + precision +
               " --tokens 1 -n 1 --sampler argmax --sink tokens");
  }
};

TEST_F(PackedCache, KeepsWhatWasUsed) {
  const std::string expected = logits("m", "cpu-fp32");
  EXPECT_EQ(run("test -e cache").code, 1);
  EXPECT_TRUE(logits("m", "cpu-fp32", kCache) == expected);
  const std::string entry = only_entry();
  namespace fs = std::filesystem;
  EXPECT_EQ(fs::status(folder() / "cache").permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(folder() / entry).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(logits("m", "cpu-fp32", kCache) == expected);
  EXPECT_TRUE(logits("m", "cpu-fp32:isa=portable", kCache) == logits("m", "cpu-fp32:isa=portable"));
  EXPECT_EQ(only_entry(), entry);
  blank(entry);
  EXPECT_FALSE(logits("m", "cpu-fp32", kCache) == expected);
  EXPECT_TRUE(logits("m", "cpu-fp32") == expected);  // off without the variable
  EXPECT_TRUE(logits("m", "cpu-fp32", "GPT2RUN_CACHE=") == expected);
}

TEST_F(PackedCache, AFolderWithASlashAtItsEndIsPrivateToo) {
  ASSERT_EQ(run("umask 002; GPT2RUN_CACHE=above/cache/ gpt2run -q -m m --precision cpu-fp32 --tokens 1 -n 1 "
                "--sampler argmax --sink tokens 2>&1")
                .out.find("warning"),
            std::string::npos);
  EXPECT_EQ(std::filesystem::status(folder() / "above/cache").permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(run("ls -A above/cache | wc -l").out, "1\n");
}

TEST_F(PackedCache, EachTypeHasAFolder) {
  for (int i = 0; i < 2; ++i)
    for (const char* precision : {"cpu-bf16", "cpu-fp16", "cpu-fp32"})
      EXPECT_TRUE(logits("m", precision, kCache) == logits("m", precision)) << precision;
  EXPECT_EQ(run("ls -A cache | wc -l").out, "3\n");
  EXPECT_TRUE(logits("m", "reference", kCache) == logits("m", "reference"));
  EXPECT_EQ(run("ls -A cache | wc -l").out, "3\n");
}

TEST_F(PackedCache, IsMadeAgainForAChangedModel) {
  logits("m", "cpu-fp32", kCache);
  const std::string entry = only_entry();
  make_model("m --force", "synthetic:L=2,C=35,H=5,F=67,V=131,T=24,seed=9");
  const std::string expected = logits("m", "cpu-fp32");
  EXPECT_TRUE(logits("m", "cpu-fp32", kCache) == expected);
  EXPECT_EQ(only_entry(), entry);
  blank(entry);
  EXPECT_FALSE(logits("m", "cpu-fp32", kCache) == expected);
}

TEST_F(PackedCache, WhatCannotBeUsedIsLeftOutWithAWarning) {
  EXPECT_EQ(run_cached("cpu-fp32").code, 0);
  const std::string entry = only_entry();
  const auto warned = [&](const std::string& change, const auto&... words) {
    SCOPED_TRACE(change);
    ASSERT_EQ(run(change).code, 0);
    const Outcome done = run_cached("cpu-fp32");
    EXPECT_EQ(done.code, 0);
    EXPECT_FALSE(done.out.empty());
    EXPECT_THAT(done.err, HasMessage("gpt2run: warning", words...));
  };
  warned("chmod 0770 cache", "GPT2RUN_CACHE", "\"cache\"");
  warned("chmod 0700 cache && echo '{' >" + entry + "/packed.json", "packed.json:", "JSON");
  EXPECT_EQ(run_cached("cpu-fp32").err.find("warning"), std::string::npos);  // it was made again
  warned("rm -r cache && touch cache", "GPT2RUN_CACHE", "folder");
  warned("rm cache && ln -s /dev/null/none cache", "GPT2RUN_CACHE");
}

TEST_F(PackedCache, AFullDiskIsAWarning) {
  const Outcome done = run("ulimit -f 20; " + std::string(kCache) +
                           " gpt2run -q -m m --precision cpu-fp32 --tokens 1 -n 1 --sampler argmax --sink tokens");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.err, HasMessage("gpt2run: warning", "GPT2RUN_CACHE", "File too large"));
  EXPECT_EQ(run("ls -A cache").out, "");
}

// Clamped weights are not those of the model: nothing is kept, for the next run may refuse them.
TEST_F(PackedCache, WeightsBeyondTheTypeAreNotKept) {
  ASSERT_EQ(run(R"(python3 - <<'E'
bytes = bytearray(open('m/model.safetensors', 'rb').read())
at = 8 + int.from_bytes(bytes[:8], 'little')
bytes[at:at + 4] = b'\0\0\x80\x7b'
open('m/model.safetensors', 'wb').write(bytes)
E)")
                .code,
            0);
  EXPECT_FALSE(logits("m", "cpu-fp16:overflow=saturate", kCache).empty());
  EXPECT_EQ(run("ls -A cache").out, "");
  EXPECT_EQ(run_cached("cpu-fp16").code, 1);
  EXPECT_THAT(run("gpt2convert -q -m m -o p --packed cpu-fp16:overflow=saturate"),
              IsRefusal(1, "gpt2convert", "--packed", "cpu-fp16"));
}

}  // namespace
}  // namespace gpt2run
