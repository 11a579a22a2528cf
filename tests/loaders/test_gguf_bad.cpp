// Files that are not what the loader `gguf` takes: one clear line for each, and none that crashes it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "gpt2run/tokenizer/tokenizer.hpp"
#include "loaders/gguf_model.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/memory_file.hpp"
#include "support/messages.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

constexpr uint32_t kText = 8, kList = 9;

class GgufBad : public testing::Test {
 protected:
  std::string refusal_of(const std::string& bytes) {
    const std::string path = folder_.file("bad.gguf", bytes);
    return error_of([&] { open_with("gguf", path); });
  }
  template <class... Word>
  void expect_refused(const std::string& bytes, const Word&... words) {
    EXPECT_THAT(refusal_of(bytes), IsMessage((folder_.path() / "bad.gguf:").string(), words...));
  }

  ScratchFolder folder_;
  GgufFile file_ = gguf_model(*synthetic("synthetic:L=1,C=32,H=2,F=64,V=7,T=5"));
};

// A sparse file may promise more metadata than any memory holds.
TEST_F(GgufBad, MetadataOfGigabytesIsRefused) {
  GgufFile file = file_;
  const std::string value = GgufFile::raw(kText) + GgufFile::raw(uint64_t{1} << 40);
  file.values.insert(file.values.begin(), {"a", value});
  const std::filesystem::path path = folder_.path() / "bad.gguf";
  folder_.file("bad.gguf", file.bytes());
  std::filesystem::resize_file(path, uint64_t{1} << 41);
  const auto loader = make_plugin<Loader>(Kind::loader, "gguf");
  EXPECT_THAT(error_of([&] { loader->open(path.c_str()); }), IsMessage("bad.gguf:", "\"a\"", "268435456"));
  EXPECT_THAT(error_of([&] { Tokenizer::open(path); }), IsMessage("bad.gguf:", "\"a\"", "268435456"));
}

// Padding is taken, and a hole of terabytes is not.
TEST_F(GgufBad, WhatStandsBehindTheTensorsIsBounded) {
  const std::string whole = file_.bytes();
  EXPECT_EQ(refusal_of(whole + std::string(4096, '\0')), "no error");
  const std::filesystem::path path = folder_.path() / "bad.gguf";
  std::filesystem::resize_file(path, uint64_t{1} << 41);
  EXPECT_THAT(error_of([&] { open_with("gguf", path); }),
              IsMessage("bad.gguf:", "1048576", std::to_string((uint64_t{1} << 41) - whole.size()), "damaged"));
}

TEST_F(GgufBad, EveryTruncationIsRefused) {
  const std::string whole = file_.bytes();
  const size_t data = whole.find("output_norm.bias") + 60;  // about where the data begins
  const MemoryFile file;
  for (size_t size = 1; size < whole.size(); size += size < data ? 1 : 97) {
    file.write(whole.substr(0, size));
    const std::string error = error_of([&] { open_with("gguf", file.path()); });
    ASSERT_TRUE(error.starts_with(file.path() + ": ")) << error;
    ASSERT_TRUE(has_word(error, "expected") && has_word(error, "found")) << error;
  }
  expect_refused("");
  expect_refused("GG", "GGUF", "2");
  expect_refused(whole.substr(0, 12), "number of tensors", "8", "4");
  expect_refused(whole.substr(0, 60), "number of tensors", "16", "44");
  expect_refused(whole.substr(0, 600), "tensor");
  expect_refused(whole.substr(0, whole.size() - 1), std::to_string(whole.size()), std::to_string(whole.size() - 1),
                 "\"output_norm.bias\"");
}

TEST_F(GgufBad, OtherFilesAreNamed) {
  const auto changed = [&](const auto& change) {
    GgufFile file = file_;
    change(file);
    return file.bytes();
  };
  expect_refused("something else", "GGUF", "\"some\"");
  expect_refused(changed([](GgufFile& file) { file.version = 1; }), "version:", "2", "3", "1");
  expect_refused(changed([](GgufFile& file) { file.version = 4; }), "version:", "4");
  expect_refused(changed([](GgufFile& file) { file.version = 0x03000000; }), "big-endian");
  expect_refused(changed([](GgufFile& file) { file.set("general.architecture", std::string("llama")); }),
                 "general.architecture", "gpt2", "\"llama\"");
  expect_refused(changed([](GgufFile& file) { file.values.clear(); }), "general.architecture");
  expect_refused(changed([](GgufFile& file) { file.set("split.count", 3u); }), "split.count", "3", "llama-gguf-split");
  EXPECT_THAT(error_of([&] { open_with("gguf", folder_.path() / "missing"); }),
              IsMessage((folder_.path() / "missing").string(), "No such file or directory"));
  folder_.file("other.gguf");
  EXPECT_THAT(error_of([&] { open_with("gguf", folder_.path()); }),
              IsMessage(folder_.path().string(), "2", "name the file"));
}

TEST_F(GgufBad, SettingsThatGpt2DoesNotHave) {
  const auto refused = [&](const std::string& key, uint32_t value, const auto&... words) {
    GgufFile file = file_;
    expect_refused(file.set(key, value).bytes(), key + ":", words...);
  };
  refused("gpt2.block_count", 0, "1", "0");
  refused("gpt2.block_count", 2147483648u, "2147483648");
  refused("gpt2.attention.head_count", 3, "32", "3");
  refused("gpt2.attention.head_count_kv", 1, "2", "1");
  refused("gpt2.attention.key_length", 8, "16", "8");
  refused("gpt2.vocab_size", 8, "7", "8");
  refused("general.alignment", 0, "power of two", "0");
  refused("general.alignment", 48, "power of two", "48");
  for (const char* key :
       {"gpt2.block_count", "gpt2.embedding_length", "gpt2.context_length", "gpt2.attention.head_count"}) {
    GgufFile file = file_;
    std::erase_if(file.values, [&](const auto& value) { return value.first == key; });
    expect_refused(file.bytes(), std::string(key) + ":", "none");
    file.set(key, std::string("two"));
    expect_refused(file.bytes(), std::string(key) + ":", "an integer", "\"two\"");
  }
  file_.set("gpt2.attention.layer_norm_epsilon", std::nanf(""));
  expect_refused(file_.bytes(), "gpt2.attention.layer_norm_epsilon:", "nan");
}

TEST_F(GgufBad, WhatOccursTwiceIsRefused) {
  GgufFile file = file_;
  file.values.push_back(file.values[1]);
  expect_refused(file.bytes(), "\"gpt2.block_count\"", "twice");
  file = file_;
  file.tensors.push_back(file.tensors[1]);
  expect_refused(file.bytes(), "\"position_embd.weight\"", "twice");
}

TEST_F(GgufBad, TensorsThatAreNotRight) {
  const auto refused = [&](const char* name, const auto& change, const auto&... words) {
    GgufFile file = file_;
    change(file.tensor(name));
    expect_refused(file.bytes(), "\"" + std::string(name) + "\"", words...);
  };
  using Stored = GgufFile::Stored;
  refused(
      "blk.0.ffn_up.weight", [](Stored& t) { t.type = 10; }, "Q2_K", "Q4_K");
  refused(
      "blk.0.ffn_up.weight", [](Stored& t) { t.type = 99; }, "type 99");
  refused(
      "blk.0.ffn_up.weight",
      [](Stored& t) {
        t.shape = {64, 32};
      },
      "[32,64]", "[64,32]");
  refused(
      "blk.0.ffn_up.bias",
      [](Stored& t) {
        t.shape = {64, 1};
      },
      "[64]", "[64,1]");
  refused(
      "blk.0.ffn_up.weight", [](Stored& t) { t.type = 12; }, "256", "32", "Q4_K");
  refused(
      "token_embd.weight", [](Stored& t) { t.shape = {32}; }, "two", "1");
  refused(
      "token_embd.weight",
      [](Stored& t) {
        t.shape = {32, 7, 1, 1, 1};
      },
      "4", "5");
  const uint64_t huge = uint64_t{1} << 62;
  refused(
      "blk.0.ffn_up.weight",
      [=](Stored& t) {
        t.shape = {huge, huge, huge};
      },
      "within the file");
  refused(
      "output_norm.bias", [](Stored& t) { t.name += "es"; }, "none");
  expect_refused(file_.bytes(1), "\"output_norm.bias\"", "multiple of 32");
  expect_refused(file_.bytes(uint64_t{1} << 63), "\"output_norm.bias\"", "within the file");
  expect_refused(file_.bytes(uint64_t{1} << 40), "\"output_norm.bias\"", "cut");
  expect_refused(file_.bytes(static_cast<uint64_t>(-128)), "\"output_norm.bias\"", "\"output_norm.weight\"");
}

// A list of `count` items of this type, of which no bytes need follow.
std::string list(uint32_t element, uint64_t count, const std::string& items = "") {
  return GgufFile::raw(element) + GgufFile::raw(count) + items;
}

TEST_F(GgufBad, LengthsThatLieAreRefused) {
  const auto refused = [&](uint32_t type, const std::string& value, const auto&... words) {
    GgufFile file = file_;
    file.values.insert(file.values.begin(), {"a", GgufFile::raw(type) + value});
    expect_refused(file.bytes(), "\"a\"", words...);
  };
  for (const uint64_t length : {uint64_t{1} << 20, UINT64_MAX}) {
    refused(kText, GgufFile::raw(length), std::to_string(length));
    for (const uint32_t element : {0u, 4u, kText, kList, 12u})
      refused(kList, list(element, length), std::to_string(length));
    std::string bytes = file_.bytes();
    for (const size_t at : {8, 16}) {
      std::string changed = bytes;
      changed.replace(at, 8, GgufFile::raw(length));
      expect_refused(changed, "number of", std::to_string(length));
    }
  }
  refused(13, "", "13");
  refused(kList, list(13, 1), "13");
  std::string nested = list(0, 1, "x");
  for (int i = 0; i < 7; ++i) nested = list(kList, 1, nested);
  GgufFile file = file_;
  file.set("a", kList, nested);
  EXPECT_EQ(refusal_of(file.bytes()), "no error");
  refused(kList, list(kList, 1, nested), "levels");
}

// Opens a changed file and reads all of it, weights and tokenizer.
void use(const std::string& path) {
  const auto checkpoint = open_with("gguf", path);
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    const Tensor t = checkpoint->tensor(weight, 0);
    at(t, t.rows - 1, t.cols - 1);
  }
  if (checkpoint->tokenizer()) Tokenizer::open(checkpoint->tokenizer())->encode("the <mark>");
}

// Every change of a few bytes, or of the length, opens or is an Error. GPT2RUN_MUTATIONS says how many are tried.
TEST(GgufMutations, NoneCrashes) {
  const char* given = std::getenv("GPT2RUN_MUTATIONS");
  const long count = given ? std::atol(given) : 20'000;
  const std::string whole = read_whole(SOURCE_DIR "/tests/golden/gguf/model.gguf");
  const size_t data = whole.find("output_norm.bias") + 60;  // most of what can go wrong stands before it
  const MemoryFile file;
  std::mt19937_64 random(5);
  long opened = 0, refused = 0;
  for (long i = 0; i < count; ++i) {
    std::string bytes = random() % 8 ? whole : whole.substr(0, random() % (whole.size() + 1));
    for (uint64_t changes = random() % 3 + (bytes.size() == whole.size()); changes > 0 && !bytes.empty(); --changes) {
      const size_t at = random() % std::min(bytes.size(), data);
      constexpr unsigned char kValues[] = {0, 1, 2, 9, 10, 32, 0x7f, 0x80, 0xff};
      bytes[at] = static_cast<char>(random() % 2 ? kValues[random() % sizeof kValues] : random());
    }
    file.write(bytes);
    try {
      use(file.path());
      ++opened;
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_EQ(opened + refused, count);
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace gpt2run::test
