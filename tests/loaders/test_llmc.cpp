// The loader `llmc`: every weight as the model's other format has it, and one line for every file that is wrong.
#include <gtest/gtest.h>

#include <cstring>

#include "gpt2run/sdk/float16.hpp"
#include "loaders/weights.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kModel = "synthetic:L=2,C=12,H=3,V=7,T=5";
constexpr int32_t kPaddedVocab = 128;
constexpr int kHeaderBytes = 1024;

std::unique_ptr<Checkpoint> synthetic() { return open_with("synthetic", kModel); }

// A checkpoint as llm.c writes it; padded rows are zero.
std::string checkpoint_bytes(const Checkpoint& model, Type type) {
  const ModelConfig& m = model.config();
  int32_t header[256] = {20240326, type == Type::f32 ? 3 : 5, m.T, m.V, m.L, m.H, m.C, kPaddedVocab};
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  const auto append = [&](float value) {
    const uint16_t half = bf16_from_f32(value);
    const void* at = type == Type::f32 ? static_cast<const void*>(&value) : &half;
    bytes.append(static_cast<const char*>(at), static_cast<size_t>(bytes_of(type)));
  };
  for (int i = 0; i < kWeights - 1; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
      const Tensor t = model.tensor(weight, layer);
      for (int64_t r = 0; r < t.rows; ++r)
        for (int64_t c = 0; c < t.cols; ++c) append(at(t, r, c));
    }
    if (weight == Weight::wte)
      for (int n = (kPaddedVocab - m.V) * m.C; n > 0; --n) append(0);
  }
  return bytes;
}

std::string with_field(std::string bytes, int field, int32_t value) {
  std::memcpy(bytes.data() + 4 * field, &value, 4);
  return bytes;
}

class Llmc : public testing::Test {
 protected:
  std::string refusal_of(const std::string& bytes) {
    const std::string path = folder_.file("bad.bin", bytes).string();
    return error_of([&] { open_with("llmc", path); });
  }
  template <class... Word>
  void expect_refused(const std::string& bytes, const Word&... words) {
    EXPECT_THAT(refusal_of(bytes), IsMessage((folder_.path() / "bad.bin:").string(), words...));
  }

  ScratchFolder folder_;
  std::string whole_ = checkpoint_bytes(*synthetic(), Type::f32);
};

TEST_F(Llmc, EveryTensorIsThatOfTheSameModelElsewhere) {
  const auto model = synthetic();
  for (const Type type : {Type::f32, Type::bf16}) {
    const auto checkpoint = open_with("llmc", folder_.file("model.bin", checkpoint_bytes(*model, type)).string());
    expect_complete(*checkpoint);
    for (int i = 0; i < kWeights; ++i) {
      const auto weight = static_cast<Weight>(i);
      for (int layer = 0; layer < (is_per_layer(weight) ? 2 : 1); ++layer) {
        const Tensor found = checkpoint->tensor(weight, layer), expected = model->tensor(weight, layer);
        EXPECT_EQ(found.type, type);
        for (int64_t r = 0; r < expected.rows; ++r)
          for (int64_t c = 0; c < expected.cols; ++c)
            ASSERT_EQ(at(found, r, c), round_to(type, at(expected, r, c))) << name_of(weight) << layer;
      }
    }
    EXPECT_EQ(checkpoint->tensor(Weight::head_w, 0).data, checkpoint->tensor(Weight::wte, 0).data);
  }
}

TEST_F(Llmc, SettingsAreTheHeadersAndGpt2s) {
  const auto checkpoint = open_with("llmc", folder_.file("model.bin", whole_).string());
  const ModelConfig& m = checkpoint->config();
  EXPECT_EQ(m.L, 2);
  EXPECT_EQ(m.H, 3);
  EXPECT_EQ(m.C, 12);
  EXPECT_EQ(m.F, 48);
  EXPECT_EQ(m.V, 7);
  EXPECT_EQ(m.T, 5);
  EXPECT_EQ(m.end_of_text, 6);
  EXPECT_EQ(m.epsilon, 1e-5f);
  EXPECT_EQ(checkpoint->tokenizer(), nullptr);
}

TEST_F(Llmc, TokenizerIsTheFileBeside) {
  const std::string model = folder_.file("model.bin", whole_).string();
  const std::string tokenizer = folder_.file("gpt2_tokenizer.bin", "is opened by whoever needs it").string();
  EXPECT_STREQ(open_with("llmc", model)->tokenizer(), tokenizer.c_str());
  std::filesystem::remove(tokenizer);
  EXPECT_EQ(open_with("llmc", model)->tokenizer(), nullptr);
}

TEST_F(Llmc, ProbeKnowsItsOwn) {
  const auto loader = make_plugin<Loader>(Kind::loader, "llmc");
  EXPECT_GT(loader->probe(folder_.file("model.bin", whole_).c_str()), 1);
  EXPECT_EQ(loader->probe(folder_.file("other.bin", "something").c_str()), 0);
  EXPECT_EQ(loader->probe(folder_.path().c_str()), 0);
}

TEST_F(Llmc, EveryTruncationIsRefused) {
  expect_refused("");
  for (size_t size = 1; size < whole_.size(); size += size < 40 ? 1 : size < kHeaderBytes ? 97 : 997) {
    const std::string error = refusal_of(whole_.substr(0, size));
    EXPECT_TRUE(error.starts_with((folder_.path() / "bad.bin: expected ").string())) << error;
    EXPECT_TRUE(has_word(error, std::to_string(size))) << error;
  }
  expect_refused(whole_.substr(0, 1), "1024", "1");
  expect_refused(whole_.substr(0, kHeaderBytes), std::to_string(kHeaderBytes));
  expect_refused(whole_ + "x", std::to_string(whole_.size() + 1));
}

TEST_F(Llmc, OtherFilesAreNamed) {
  expect_refused(std::string(4096, '\0'), "20240326", "0");
  expect_refused(with_field(whole_, 0, static_cast<int32_t>(__builtin_bswap32(20240326))), "big-endian");
  expect_refused(with_field(whole_, 0, 20240328), "tokenizer");
  for (const int version : {1, 2, 4}) expect_refused(with_field(whole_, 1, version), std::to_string(version));
  expect_refused(with_field(whole_, 1, 6), "version", "3", "5", "6");
  expect_refused(with_field(whole_, 1, 5), "bf16", std::to_string(whole_.size()));
  EXPECT_THAT(error_of([&] { open_with("llmc", folder_.path()); }), IsMessage(folder_.path().string(), "folder"));
  EXPECT_THAT(error_of([&] { open_with("llmc", folder_.path() / "missing"); }),
              IsMessage((folder_.path() / "missing").string(), "No such file or directory"));
}

TEST_F(Llmc, HeadersThatLieAreRefused) {
  const char* const names[] = {"max T", "V", "L", "H", "C", "padded V"};
  for (int i = 0; i < 6; ++i) {
    for (const int32_t value : {0, -1, INT32_MIN, INT32_MAX})
      expect_refused(with_field(whole_, i + 2, value), std::string(names[i]) + ":", std::to_string(value));
  }
  expect_refused(with_field(whole_, 5, 5), "H:", "12", "5");
  expect_refused(with_field(whole_, 7, 6), "padded V:", "7", "6");
  for (const int field : {2, 4, 6, 7}) expect_refused(with_field(whole_, field, 24), "bytes", "24");
  std::string huge = with_field(with_field(whole_, 4, 4096), 6, 3 << 16);
  expect_refused(with_field(with_field(huge, 2, 1 << 24), 7, 1 << 20), "bytes");
}

}  // namespace
}  // namespace gpt2run::test
