// The loader `tensorflow`: the golden checkpoint, which TensorFlow reads, gives the weights that it was made from, and
// files that are cut, wrong or made to do harm are refused with one line.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "loaders/same_model.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = SOURCE_DIR "/tests/golden/tensorflow";
constexpr const char* kModel = "synthetic:L=2,C=8,H=2,V=40,T=9,end_of_text=-1";
constexpr const char* kIndex = "model.ckpt.index";
constexpr const char* kData = "model.ckpt.data-00000-of-00001";

std::unique_ptr<Checkpoint> open(const fs::path& path, const OptionValues& options = {}) {
  return open_with("tensorflow", path, options);
}

// CRC-32C as the format stores it, bit by bit.
uint32_t masked_sum(std::string_view bytes) {
  uint32_t sum = ~0u;
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ (sum & 1) * 0x82f63b78u;
  }
  sum = ~sum;
  return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

// A copy of the golden folder, to spoil.
class Tensorflow : public testing::Test {
 protected:
  Tensorflow() {
    for (const auto& file : fs::directory_iterator(kGolden))
      folder_.file(file.path().filename(), read_whole(file.path()));
  }
  fs::path path(const std::string& name = "") const { return folder_.path() / name; }
  std::string index() const { return read_whole(kGolden / kIndex); }

  void expect_refused(const std::string& file, Words words, const std::string& given = "") const {
    words.push_back(path(file).string() + ":");
    EXPECT_THAT(error_of([&] { open(path(given)); }), IsMessage(words));
  }
  void expect_index_refused(const std::string& bytes, const Words& words) const {
    folder_.file(kIndex, bytes);
    expect_refused(kIndex, words);
  }
  // The index with other bytes in place of `from`, and the sum of each block renewed.
  std::string changed(const std::string& from, const std::string& to) const {
    std::string bytes = index();
    const size_t at = bytes.find(from);
    EXPECT_NE(at, bytes.npos);
    EXPECT_EQ(from.size(), to.size());
    return with_sums(bytes.replace(at, to.size(), to));
  }
  // The golden index has a sum behind each block: where the next one is right, that block ends.
  std::string with_sums(std::string bytes) const {
    static const std::vector<std::pair<size_t, size_t>> blocks = blocks_of(index());
    for (const auto& [begin, end] : blocks) {
      const uint32_t sum = masked_sum(std::string_view(bytes).substr(begin, end - begin));
      std::memcpy(bytes.data() + end, &sum, sizeof sum);
    }
    return bytes;
  }
  static std::vector<std::pair<size_t, size_t>> blocks_of(const std::string& bytes) {
    std::vector<std::pair<size_t, size_t>> blocks;
    size_t begin = 0;
    for (size_t end = 1; end + 4 <= bytes.size(); ++end) {
      uint32_t stored;
      std::memcpy(&stored, bytes.data() + end, sizeof stored);
      if (stored != masked_sum(std::string_view(bytes).substr(begin, end - begin))) continue;
      blocks.emplace_back(begin, end);
      begin = end + 4;
    }
    return blocks;
  }

  ScratchFolder folder_;
};

TEST_F(Tensorflow, TheCheckpointHasTheWeightsItWasMadeFrom) {
  const auto expected = open_with("synthetic", kModel);
  for (const char* name : {"", "hparams.json", kIndex, kData, "model.ckpt"}) {
    SCOPED_TRACE(name);
    expect_same(*open(path(name)), *expected);
    EXPECT_GT(make_plugin<Loader>(Kind::loader, "tensorflow")->probe(path(name).c_str()), 1);
  }
  folder_.file("config.json", "{}");
  EXPECT_EQ(make_plugin<Loader>(Kind::loader, "tensorflow")->probe(path("config.json").c_str()), 0);
}

TEST_F(Tensorflow, WhatIsNoWeightIsLogged) {
  PluginLog::instance().take();
  open(path());
  const std::vector<std::string> lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("\"model/wte/Adam\""), std::string::npos) << lines[0];
}

TEST_F(Tensorflow, TheTokenizerIsTheFoldersOwn) {
  EXPECT_EQ(open(path())->tokenizer(), nullptr);
  folder_.file("encoder.json", "{\"a\": 0, \"<|endoftext|>\": 39}");
  folder_.file("vocab.bpe");
  const auto model = open(path());
  EXPECT_EQ(model->tokenizer(), path().string());
  EXPECT_EQ(model->config().end_of_text, 39);
}

TEST_F(Tensorflow, OfSeveralCheckpointsTheLatestCounts) {
  fs::copy(path(kIndex), path("model-7.index"));
  expect_same(*open(path()), *open(path(kIndex)));
  folder_.file("checkpoint", "model_checkpoint_path: \"model-7\"\n");
  expect_refused("model-7.data-00000-of-00001", {"No such file or directory"});
  fs::remove(path("checkpoint"));
  expect_refused("", {"2", "name one of them"});
}

TEST_F(Tensorflow, MissingFilesAreNamed) {
  fs::remove(path(kData));
  expect_refused(kData, {"No such file or directory"});
  fs::remove(path("hparams.json"));
  expect_refused("hparams.json", {"No such file or directory"});
  fs::remove(path(kIndex));
  expect_refused("", {"model.ckpt.index", "0"});
}

TEST_F(Tensorflow, SettingsAreChecked) {
  const std::string settings = read_whole(path("hparams.json"));
  const auto refused = [&](const std::string& from, const std::string& to, const Words& words) {
    std::string text = settings;
    folder_.file("hparams.json", text.replace(text.find(from), from.size(), to));
    expect_refused("hparams.json", words);
  };
  refused("\"n_layer\"", "\"layers\"", {"n_layer"});
  refused("\"n_embd\": 8", "\"n_embd\": 0", {"n_embd:", "0"});
  refused("\"n_head\": 2", "\"n_head\": 3", {"n_head:", "8", "3"});
  refused("\"n_vocab\": 40", "\"n_vocab\": \"x\"", {"n_vocab:", "\"x\""});
  std::string text = settings;
  folder_.file("hparams.json", text.replace(text.find("40"), 2, "41"));
  expect_refused(kData, {"\"wte.weight\"", "[41,8]", "[40,8]"});
}

TEST_F(Tensorflow, CutFilesAreRefused) {
  const std::string whole = index(), data = read_whole(path(kData));
  for (size_t size = 0; size < whole.size(); size += size < 60 ? 1 : 37) {
    folder_.file(kIndex, whole.substr(0, size));
    EXPECT_TRUE(error_of([&] { open(path()); }).starts_with(path(kIndex).string() + ": expected ")) << size;
  }
  folder_.file(kIndex, whole);
  folder_.file(kData, data.substr(0, 8000));
  expect_refused(kData, {"8000", "cut", "download"});
  expect_index_refused("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5215\n", {"Git", "LFS"});
  expect_index_refused(std::string(8, '\0'), {"TensorFlow", "8"});
}

TEST_F(Tensorflow, ABlockThatIsDamagedOrCompressedIsNamed) {
  std::string bytes = index();
  bytes[3] ^= 1;
  expect_index_refused(bytes, {"block at byte 0:", "sum"});
  bytes = index();
  bytes[blocks_of(bytes).front().second - 1] = 1;  // the kind of the block
  expect_index_refused(with_sums(bytes), {"block at byte 0:", "compressed", "tf.train.Saver"});
}

TEST_F(Tensorflow, DamagedWeightsAreToldWhereTheirSumsAreChecked) {
  open(path(), {{"check_sums", "on"}});
  std::string data = read_whole(path(kData));
  data[8000] ^= 1;
  folder_.file(kData, data);
  open(path());
  EXPECT_THAT(error_of([&] {
                open(path(), {{"check_sums", "on"}});
              }),
              IsMessage(Words{path(kIndex).string() + ":", kData, "sum", "damaged"}));
}

TEST_F(Tensorflow, EntriesAreChecked) {
  using namespace std::string_literals;
  // The header: a key of no bytes, then one data file, little-endian order by default, version 1.
  const std::string header = "\0\0\6\x08\x01\x1a\x02\x08\x01"s;
  expect_index_refused(changed(header, "\0\0\6\x08\x01\x10\x01\x18\x01"s), {"little-endian"});
  expect_index_refused(changed(header, "\0\0\6\x08\0\x1a\x02\x08\x01"s), {"0 data files"});
  expect_index_refused(changed(header, "\0\1\5a\x01\x1a\x02\x08\x01"s), {"header"});
  // The shape of h0's c_attn: (1, 8, 24), and its bytes.
  const std::string shape = "\x12\x02\x08\x01\x12\x02\x08\x08\x12\x02\x08\x18"s;
  expect_index_refused(changed(shape, "\x12\x02\x08\x01\x12\x02\x08\x08\x12\x02\x08\x19"s),
                       {"\"model/h0/attn/c_attn/w\":", "800", "[1,8,25]", "768"});
  expect_index_refused(changed(shape, "\x12\x02\x08\x01\x12\x02\x08\x08\x12\x02\x0f\x18"s), {"kind 7"});
  // Its offset and size: four bytes earlier it lies over another tensor.
  expect_index_refused(changed("\x20\x68\x28\x80\x06"s, "\x20\x64\x28\x80\x06"s),
                       {"overlap", "\"model/h0/attn/c_attn/w\""});
}

// Type 1 is float32, and 3 is int32.
TEST_F(Tensorflow, WeightsOfAnotherTypeAreNamed) {
  using namespace std::string_literals;
  const std::string entry = "\x08\x01\x12\x0c\x12\x02\x08\x01\x12\x02\x08\x08\x12\x02\x08\x18"s;
  for (const auto& [type, name] : {std::pair("\x03"s, "int32"), {"\x09"s, "int64"}, {"\x55"s, "type 85"}}) {
    std::string other = entry;
    expect_index_refused(changed(entry, other.replace(1, 1, type)), {"\"model/h0/attn/c_attn/w\":", "float32", name});
  }
}

TEST_F(Tensorflow, AnIndexOfTerabytesIsRefusedAtOnce) {
  fs::resize_file(path(kIndex), uint64_t{1} << 40);
  std::fstream file(path(kIndex), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-48, std::ios::end);
  const std::string whole = index();
  file << whole.substr(whole.size() - 48);
  file.close();
  expect_refused(kIndex, {"67108864"});
}

TEST_F(Tensorflow, NoChangeOfTheIndexDoesHarm) {
  const auto loader = make_plugin<Loader>(Kind::loader, "tensorflow");
  const std::string whole = index();
  std::mt19937 random(17);
  int refused = 0;
  constexpr int kRounds = 4000;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = whole;
    for (uint32_t left = 1 + random() % 4; left > 0; --left)
      bytes[random() % bytes.size()] = static_cast<char>(random() % 3 ? random() : random() % 16);
    std::ofstream(path(kIndex), std::ios::binary) << with_sums(bytes);
    try {
      const auto model = loader->open(path().c_str());
      for_each_weight(model->config(), [&](Weight weight, int layer) { checksum(model->tensor(weight, layer)); });
    } catch (const Error& error) {
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, kRounds / 2);
}

}  // namespace
}  // namespace gpt2run::test
