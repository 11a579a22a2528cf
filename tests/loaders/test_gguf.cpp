// The loader `gguf`: blocks of every quantised type as the package of the format reads them, a model that it wrote, and
// what the file may say in other ways.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "../../loaders/gguf/blocks.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "loaders/gguf_model.hpp"
#include "loaders/weights.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;
using testing::Test;

const std::string kGgufGoldens = SOURCE_DIR "/tests/golden/gguf/";
constexpr const char* kModel = "synthetic:L=2,C=12,H=3,F=40,V=7,T=5,epsilon=3e-6,end_of_text=4";

json read_golden(const std::string& name) { return json::parse(read_whole(kGgufGoldens + name)); }

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

uint64_t sum_of(const json& text) { return std::stoull(text.get<std::string>(), nullptr, 16); }

TEST(GgufBlocks, EveryQuantisedTypeIsTheGoldenBitForBit) {
  const json goldens = read_golden("blocks.json");
  EXPECT_EQ(goldens.size(), 8u);
  for (const auto& [name, golden] : goldens.items()) {
    const gguf::BlockType* type = gguf::find_block_type(golden["type"]);
    ASSERT_TRUE(type && type->dequantise) << name;
    EXPECT_EQ(gguf::type_text(golden["type"]), name);
    const std::string blocks = from_hex(golden["blocks"]);
    const auto count = static_cast<int64_t>(blocks.size()) / type->bytes;
    ASSERT_EQ(count * type->bytes, static_cast<int64_t>(blocks.size())) << name;
    std::vector<float> values(static_cast<size_t>(count * type->elements));
    for (int64_t i = 0; i < count; ++i)
      type->dequantise(reinterpret_cast<const uint8_t*>(blocks.data()) + i * type->bytes,
                       values.data() + i * type->elements);
    const auto size = static_cast<int64_t>(values.size());
    EXPECT_EQ(checksum({values.data(), Type::f32, 1, size, size, 1}), sum_of(golden["checksum"])) << name;
  }
}

TEST(GgufGolden, TheModelThatThePackageWrote) {
  const json golden = read_golden("model.json");
  const auto checkpoint = open_with("gguf", kGgufGoldens + "model.gguf");
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.L, 2);
  EXPECT_EQ(m.C, 32);
  EXPECT_EQ(m.H, 2);
  EXPECT_EQ(m.F, 64);
  EXPECT_EQ(m.T, 6);
  EXPECT_EQ(m.V, 261);
  EXPECT_EQ(m.end_of_text, 259);
  EXPECT_EQ(m.start_of_text, -1);
  EXPECT_EQ(m.other_ends[0], -1);
  EXPECT_EQ(m.epsilon, 3e-6f);
  EXPECT_TRUE(m.tied_head);
  expect_complete(*checkpoint);
  std::map<std::string, uint64_t> sums;
  for (const auto& [name, sum] : golden["checksums"].items()) sums[name] = sum_of(sum);
  EXPECT_EQ(sums.size(), 28u);
  expect_checksums(*checkpoint, sums);
  EXPECT_EQ(checkpoint->tensor(Weight::proj_w, 0).type, Type::f16);
  EXPECT_EQ(checkpoint->tensor(Weight::proj_w, 1).type, Type::bf16);
  EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
}

TEST(GgufGolden, ItsTokenizer) {
  const json golden = read_golden("model.json");
  const auto checkpoint = open_with("gguf", kGgufGoldens + "model.gguf");
  ASSERT_NE(checkpoint->tokenizer(), nullptr);
  const auto tokenizer = Tokenizer::open(checkpoint->tokenizer());
  EXPECT_EQ(tokenizer->size(), 260);  // without the one that fills the vocabulary
  EXPECT_EQ(tokenizer->end_of_text(), 259);
  EXPECT_EQ(tokenizer->encode(golden["text"].get<std::string>()), golden["ids"].get<std::vector<int32_t>>());
}

class Gguf : public Test {
 protected:
  std::unique_ptr<Checkpoint> open_file() { return open_with("gguf", folder_.file("model.gguf", file_.bytes())); }

  ScratchFolder folder_;
  std::unique_ptr<Checkpoint> model_ = synthetic(kModel);
  GgufFile file_ = gguf_model(*model_);
};

void expect_same_weights(const Checkpoint& found, const Checkpoint& expected) {
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? expected.config().L : 1); ++layer)
      EXPECT_EQ(checksum(found.tensor(weight, layer)), checksum(expected.tensor(weight, layer)))
          << name_of(weight) << layer;
  }
}

TEST_F(Gguf, EveryTensorIsThatOfTheSameModelElsewhere) {
  const auto checkpoint = open_file();
  expect_complete(*checkpoint);
  expect_same_weights(*checkpoint, *model_);
  EXPECT_EQ(checkpoint->config().F, 40);
  EXPECT_EQ(checkpoint->config().end_of_text, 4);
  EXPECT_EQ(checkpoint->config().epsilon, 3e-6f);
  EXPECT_EQ(checkpoint->tokenizer(), nullptr);
}

TEST_F(Gguf, Version2AndAnyAlignment) {
  file_.version = 2;
  expect_same_weights(*open_file(), *model_);
  for (const uint32_t alignment : {1u, 8u, 4096u}) {
    file_.alignment = alignment;
    file_.set("general.alignment", alignment);
    expect_same_weights(*open_file(), *model_);
  }
}

TEST_F(Gguf, WhatTheFileMayLeaveOut) {
  std::erase_if(file_.values, [](const auto& value) {
    return value.first.ends_with("epsilon") || value.first.ends_with("eos_token_id");
  });
  EXPECT_EQ(open_file()->config().epsilon, 1e-5f);
  EXPECT_EQ(open_file()->config().end_of_text, -1);
  const auto wide = synthetic("synthetic:L=1,C=12,H=3,V=7,T=5");
  file_ = gguf_model(*wide);
  std::erase_if(file_.values, [](const auto& value) { return value.first == "gpt2.feed_forward_length"; });
  EXPECT_EQ(open_file()->config().F, 48);
}

TEST_F(Gguf, IntegersOfAnyWidth) {
  file_.set("gpt2.block_count", 10, GgufFile::raw(uint64_t{2}))
      .set("gpt2.embedding_length", 1, GgufFile::raw(int8_t{12}));
  file_.set("gpt2.context_length", 2, GgufFile::raw(uint16_t{5}))
      .set("gpt2.attention.head_count", 11, GgufFile::raw(int64_t{3}));
  file_.set("gpt2.attention.layer_norm_epsilon", 12, GgufFile::raw(0.5));
  EXPECT_EQ(open_file()->config().epsilon, 0.5f);
}

TEST_F(Gguf, OtherIdsThatBeginOrEndATextAreHonoured) {
  file_.set("tokenizer.ggml.bos_token_id", 2u).set("tokenizer.ggml.eot_token_id", 6u);
  EXPECT_EQ(open_file()->config().start_of_text, 2);
  EXPECT_EQ(open_file()->config().other_ends[0], 6);
  PluginLog::instance().take();
  file_.set("tokenizer.ggml.bos_token_id", 4u).set("tokenizer.ggml.eot_token_id", 7u);
  const auto checkpoint = open_file();
  EXPECT_EQ(checkpoint->config().start_of_text, -1);
  EXPECT_EQ(checkpoint->config().other_ends[0], -1);
  const auto lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("2 ") && lines[0].find("eot_token_id") != std::string::npos) << lines[0];
}

TEST_F(Gguf, AHeadOfItsOwnIsUsedAndACopyOfTheEmbeddingIsTied) {
  const auto own = synthetic(std::string(kModel) + ",tied=0");
  file_ = gguf_model(*own);
  EXPECT_FALSE(open_file()->config().tied_head);
  expect_same_weights(*open_file(), *own);
  file_.tensor("output.weight").bytes = file_.tensor("token_embd.weight").bytes;
  const auto tied = open_file();
  EXPECT_TRUE(tied->config().tied_head);
  EXPECT_EQ(tied->tensor(Weight::head_w, 0).data, tied->tensor(Weight::wte, 0).data);
}

TEST_F(Gguf, OtherTensorsAreIgnoredAndLogged) {
  GgufFile::Stored& other = file_.tensor("rope_freqs.weight");
  other.shape = {2}, other.bytes = std::string(8, '\0');
  PluginLog::instance().take();
  expect_same_weights(*open_file(), *model_);
  const auto lines = PluginLog::instance().take();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("2 ") && lines[0].find("ignored 1") != std::string::npos) << lines[0];
}

// The position embedding of a model with T = 4 and C = 256 has as many elements as the golden blocks.
TEST_F(Gguf, BlocksOf256InAModel) {
  file_ = gguf_model(*synthetic("synthetic:L=1,C=256,H=2,F=8,V=3,T=4"));
  const json goldens = read_golden("blocks.json");
  for (const char* name : {"Q4_K", "Q5_K", "Q6_K"}) {
    GgufFile::Stored& stored = file_.tensor("position_embd.weight");
    stored.type = goldens[name]["type"];
    stored.bytes = from_hex(goldens[name]["blocks"]);
    const auto checkpoint = open_file();
    EXPECT_EQ(checkpoint->tensor(Weight::wpe, 0).type, Type::f32);
    EXPECT_EQ(checksum(checkpoint->tensor(Weight::wpe, 0)), sum_of(goldens[name]["checksum"])) << name;
  }
}

TEST(GgufGolden, ThreadsShareWhatIsMadeOnFirstUse) {
  const auto checkpoint = open_with("gguf", kGgufGoldens + "model.gguf");
  const void* found[4] = {};
  std::vector<std::thread> threads;
  for (const void*& data : found) threads.emplace_back([&] { data = checkpoint->tensor(Weight::wte, 0).data; });
  for (std::thread& thread : threads) thread.join();
  for (const void* data : found) EXPECT_EQ(data, found[0]);
  EXPECT_NE(found[0], nullptr);
}

TEST_F(Gguf, ProbeKnowsItsOwn) {
  const auto loader = make_plugin<Loader>(Kind::loader, "gguf");
  EXPECT_EQ(loader->probe(folder_.path().c_str()), 0);
  EXPECT_GT(loader->probe(folder_.file("model.gguf", file_.bytes()).c_str()), 1);
  EXPECT_EQ(loader->probe(folder_.file("other.bin", "GGU").c_str()), 0);
  EXPECT_GT(loader->probe(folder_.path().c_str()), 1);
}

TEST_F(Gguf, AFolderWithOneFileStandsForIt) {
  open_file();
  expect_same_weights(*open_with("gguf", folder_.path()), *model_);
}

}  // namespace
}  // namespace gpt2run::test
