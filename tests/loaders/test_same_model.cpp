// One model in every layout: each loader gives the same bits for every weight, and so the same logits. The layouts are
// made by gpt2convert, and the llm.c file of a synthetic model is also written here, independently.
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "loaders/same_model.hpp"
#include "support/program.hpp"

namespace gpt2run::test {
namespace {

const std::string kDemo = SOURCE_DIR "/models/demo";

void expect_same(const std::string& found_path, const std::string& expected_path) {
  SCOPED_TRACE(found_path + " against " + expected_path);
  test::expect_same(*open_any(found_path), *open_any(expected_path));
}

class SameModel : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  // Through both layouts and back, by way of a first conversion from anywhere.
  void expect_round_trip(const std::string& model) const {
    convert(model + " --to llmc --out " + path("a/model.bin"));
    convert(path("a/model.bin") + " --to huggingface --out " + path("b"));
    convert(path("b") + " --to llmc --out " + path("c/model.bin"));
    for (const char* name : {"a/model.bin", "b", "c/model.bin"}) expect_same(path(name), model);
    EXPECT_EQ(read_whole(path("a/model.bin")), read_whole(path("c/model.bin")));
    EXPECT_EQ(read_whole(path("a/gpt2_tokenizer.bin")), read_whole(path("c/gpt2_tokenizer.bin")));
  }

  ScratchFolder folder_;
};

TEST_F(SameModel, DemoInEveryLayout) {
  expect_round_trip(kDemo);
  EXPECT_FALSE(read_whole(path("a/gpt2_tokenizer.bin")).empty());
  EXPECT_EQ(read_whole(path("b/merges.txt")), read_whole(kDemo + "/merges.txt"));
}

TEST_F(SameModel, SyntheticInEveryLayout) { expect_round_trip("synthetic:L=2,C=24,H=3,V=131,T=9"); }

TEST_F(SameModel, Bf16InEveryLayout) {
  convert("synthetic:L=2,C=24,H=3,V=128,T=9 --type bf16 --to llmc --out " + path("model.bin"));
  expect_round_trip(path("model.bin"));
  EXPECT_EQ(read_whole(path("model.bin")), read_whole(path("c/model.bin")));
}

TEST_F(SameModel, ShardsAndOneFile) {
  convert(kModelGoldens + "bf16-sharded --out " + path("one"));
  expect_same(path("one"), kModelGoldens + "bf16-sharded");
}

TEST_F(SameModel, F16AndAHeadOfItsOwn) {
  for (const char* name : {"f16", "separate-head", "plain"}) {
    convert(kModelGoldens + name + " --out " + path(name));
    expect_same(path(name), kModelGoldens + name);
  }
}

TEST_F(SameModel, OtherEpsilonAndNoEndOfText) {
  const char* model = "synthetic:L=1,C=8,H=2,F=20,V=9,T=5,epsilon=3e-7,end_of_text=-1,tied=0";
  convert(std::string(model) + " --out " + path("hf"));
  expect_same(path("hf"), model);
}

TEST_F(SameModel, ActivationAndScaleByLayer) {
  for (const char* activation : {"gelu_erf", "relu", "silu", "tanh"}) {
    const std::string model = std::string("synthetic:L=2,C=8,H=2,V=9,T=5,scale_by_layer=1,activation=") + activation;
    convert(model + " --force --out " + path("hf"));
    expect_same(path("hf"), model);
  }
}

// Every type from every type: the nearest value, ties to even; upwards nothing is lost.
TEST_F(SameModel, TypesAreRoundedOnce) {
  const char* model = "synthetic:L=1,C=12,H=2,V=31,T=5";
  const auto original = open_any(model);
  for (const auto& one : {std::pair("fp16", Type::f16), std::pair("bf16", Type::bf16)}) {
    const char* name = one.first;
    const Type type = one.second;
    convert(std::string(model) + " --type " + name + " --out " + path(name));
    convert(path(name) + " --type fp32 --out " + path(name + std::string("-up")));
    const auto narrow = open_any(path(name)), wide = open_any(path(name + std::string("-up")));
    for_each_weight(original->config(), [&](Weight weight, int layer) {
      const Tensor o = original->tensor(weight, layer), n = narrow->tensor(weight, layer),
                   w = wide->tensor(weight, layer);
      EXPECT_EQ(n.type, type);
      EXPECT_EQ(w.type, Type::f32);
      for (int64_t r = 0; r < o.rows; ++r)
        for (int64_t c = 0; c < o.cols; ++c) {
          ASSERT_EQ(at(n, r, c), round_to(type, at(o, r, c))) << name_of(weight);
          ASSERT_EQ(at(w, r, c), at(n, r, c)) << name_of(weight);
        }
    });
  }
}

// As llm.c's script writes it: every tensor over all layers, (out, in), wte padded with zeros to a multiple of 128.
std::string llmc_bytes(const Checkpoint& model, int32_t version) {
  const ModelConfig& m = model.config();
  const int32_t header[256] = {20240326, version, m.T, m.V, m.L, m.H, m.C, 256};
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  const auto append = [&](float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint16_t half = bf16_from_f32(value);
    bytes.append(version == 3 ? reinterpret_cast<const char*>(&bits) : reinterpret_cast<const char*>(&half),
                 version == 3 ? 4 : 2);
  };
  for_each_weight(m, [&](Weight weight, int layer) {
    if (weight == Weight::head_w) return;
    const Tensor t = model.tensor(weight, layer);
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t c = 0; c < t.cols; ++c) append(at(t, r, c));
    if (weight == Weight::wte)
      for (int n = (256 - m.V) * m.C; n > 0; --n) append(0);
  });
  return bytes;
}

TEST_F(SameModel, TheLlmcFileIsThatOfItsScript) {
  const std::string model = "synthetic:L=2,C=24,H=3,V=131,T=9";
  for (const auto& [type, version] : {std::pair("keep", 3), std::pair("fp32", 3), std::pair("bf16", 5)}) {
    convert(model + " --to llmc --force --out " + path("model.bin") + " --type " + type);
    EXPECT_EQ(read_whole(path("model.bin")), llmc_bytes(*open_any(model), version)) << type;
  }
}

// The weights that have a type of their own in a GGUF file; all others are FP32.
bool is_typed_in_gguf(Weight weight) {
  const std::string_view name = name_of(weight);
  return name == "wte" || (name.ends_with("_w") && !name.starts_with("ln"));
}

TEST_F(SameModel, GgufOfFp32IsTheSameAndComesBack) {
  const std::string tied = "synthetic:L=2,C=24,H=3,F=40,V=131,T=9,epsilon=3e-7,end_of_text=-1";
  for (const std::string& model : {kDemo, tied, tied + ",tied=0"}) {
    convert(model + " --to gguf --force --out " + path("a.gguf"));
    expect_same(path("a.gguf"), model);
    convert(path("a.gguf") + " --force --out " + path("b"));
    expect_same(path("b"), model);
    convert(path("b") + " --to gguf --out " + path("c.gguf") + " --force");
    EXPECT_EQ(read_whole(path("a.gguf")), read_whole(path("c.gguf")));
    std::filesystem::remove_all(path("b"));
  }
}

TEST_F(SameModel, GgufHasTheTokenizer) {
  convert(kDemo + " --to gguf --out " + path("a.gguf"));
  const auto found = Tokenizer::open(path("a.gguf")), expected = Tokenizer::open(kDemo);
  ASSERT_EQ(found->size(), expected->size());
  EXPECT_EQ(found->end_of_text(), expected->end_of_text());
  for (int32_t id = 0; id < expected->size(); ++id) ASSERT_EQ(found->piece(id), expected->piece(id)) << id;
  const std::string text = read_whole(kDemo + "/README.md") + "<|endoftext|>";
  EXPECT_EQ(found->encode(text), expected->encode(text));
  convert(path("a.gguf") + " --out " + path("b"));
  EXPECT_EQ(read_whole(path("b/merges.txt")), read_whole(kDemo + "/merges.txt"));
}

// The vocabulary of a model may be larger than its tokenizer: the file fills it, and reading takes that back.
TEST_F(SameModel, GgufFillsTheVocabulary) {
  convert("synthetic:L=1,C=12,H=2,V=5000,T=5 --to gguf --out " + path("a.gguf") + " --tokenizer " + kDemo);
  EXPECT_EQ(open_any(path("a.gguf"))->config().V, 5000);
  EXPECT_EQ(Tokenizer::open(path("a.gguf"))->size(), 4096);
}

// Matrices keep their type; vectors and the position embedding become FP32, which changes no value.
TEST_F(SameModel, GgufOf16BitsHasTheSameValuesAndLogits) {
  for (const auto& one : {std::pair("f16", Type::f16), std::pair("bf16-sharded", Type::bf16)}) {
    const char* name = one.first;
    const Type type = one.second;
    convert(kModelGoldens + name + " --to gguf --out " + path(name) + ".gguf");
    const auto found = open_any(path(name) + ".gguf"), expected = open_any(kModelGoldens + name);
    expect_same_config(found->config(), expected->config());
    for_each_weight(expected->config(), [&](Weight weight, int layer) {
      const Tensor a = found->tensor(weight, layer), b = expected->tensor(weight, layer);
      EXPECT_EQ(a.type, is_typed_in_gguf(weight) ? type : Type::f32) << name_of(weight);
      for (int64_t r = 0; r < b.rows; ++r)
        for (int64_t c = 0; c < b.cols; ++c) ASSERT_EQ(at(a, r, c), at(b, r, c)) << name_of(weight) << layer;
    });
    EXPECT_EQ(logits_of(*found), logits_of(*expected));
  }
}

// What the package of the format makes of the same weights.
TEST_F(SameModel, GgufOfQ8IsTheGoldenBitForBit) {
  const auto golden = nlohmann::json::parse(read_whole(SOURCE_DIR "/tests/golden/gguf/q8_0.json"));
  const std::string model = golden["model"];
  convert(model + " --to gguf --type q8_0 --out " + path("a.gguf"));
  const auto found = open_any(path("a.gguf")), expected = open_any(model);
  for_each_weight(expected->config(), [&](Weight weight, int layer) {
    const std::string name = std::string(name_of(weight)) + "." + std::to_string(layer);
    const uint64_t sum = checksum(found->tensor(weight, layer));
    const auto quantised = golden["checksums"].find(name);
    if (weight == Weight::head_w) return;
    const bool is_wide = quantised == golden["checksums"].end();
    EXPECT_EQ(sum, is_wide ? checksum(expected->tensor(weight, layer))
                           : std::stoull(quantised->get<std::string>(), nullptr, 16))
        << name;
  });
}

}  // namespace
}  // namespace gpt2run::test
