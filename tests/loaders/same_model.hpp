// One model twice: opens models of any layout, converts them, and checks that two checkpoints have the same settings,
// the same bits and the same logits.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "loaders/weights.hpp"
#include "support/plugin.hpp"
#include "support/program.hpp"

namespace gpt2run::test {

// Where the golden models of Hugging Face's layout stand.
inline const std::string kModelGoldens = SOURCE_DIR "/tests/golden/models/";

// Opens a model by the loader that its name tells.
inline std::unique_ptr<Checkpoint> open_any(const std::string& model) {
  return open_with(model.starts_with("synthetic:") ? "synthetic"
                   : model.ends_with(".bin")       ? "llmc"
                   : model.ends_with(".gguf")      ? "gguf"
                                                   : "huggingface",
                   model);
}

// Runs `gpt2convert -q -m` with a model and options behind its name; expects exit code 0 and no message.
inline void convert(const std::string& model_and_options) {
  const Outcome outcome = run_program(BINARY_DIR "/bin/gpt2convert -q -m " + model_and_options);
  ASSERT_EQ(outcome.code, 0) << model_and_options << outcome.err;
  ASSERT_EQ(outcome.err, "");
}

template <class Call>
void for_each_weight(const ModelConfig& m, const Call& call) {
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) call(weight, layer);
  }
}

inline uint64_t bits_at(const Tensor& t, int64_t row, int64_t col) {
  uint64_t bits = 0;
  const int64_t index = row * t.row_stride + col * t.col_stride;
  std::memcpy(&bits, static_cast<const char*>(t.data) + index * bytes_of(t.type),
              static_cast<size_t>(bytes_of(t.type)));
  return bits;
}

// The logits of a few tokens.
inline std::vector<float> logits_of(const Checkpoint& model, const char* name = "reference") {
  const auto precision = make_plugin<Precision>(Kind::precision, name);
  const auto session = precision->open(
      model, {.slots = 1, .context = 5, .rows = 5, .logit_rows = 1, .threads = 1, .device = 0, .keep_raw = false});
  session->start(0, {0, 0, 0, 0, 0, 0});
  std::vector<Row> rows;
  for (int32_t i = 0; i < 5; ++i) rows.push_back({0, i * 7 % model.config().V, i == 4});
  const LogitBatch batch = session->step(rows);
  return {batch.logits, batch.logits + batch.vocab};
}

inline void expect_same_config(const ModelConfig& found, const ModelConfig& expected) {
  EXPECT_EQ(found.L, expected.L);
  EXPECT_EQ(found.H, expected.H);
  EXPECT_EQ(found.C, expected.C);
  EXPECT_EQ(found.F, expected.F);
  EXPECT_EQ(found.V, expected.V);
  EXPECT_EQ(found.T, expected.T);
  EXPECT_EQ(found.end_of_text, expected.end_of_text);
  EXPECT_EQ(found.epsilon, expected.epsilon);
  EXPECT_EQ(found.activation, expected.activation);
  EXPECT_EQ(found.scale_by_layer, expected.scale_by_layer);
}

// Expects equal settings, equal bits of every weight, and so equal logits.
inline void expect_same(const Checkpoint& found, const Checkpoint& expected) {
  expect_same_config(found.config(), expected.config());
  const auto head_is_wte = [](const Checkpoint& c) {
    return c.tensor(Weight::head_w, 0).data == c.tensor(Weight::wte, 0).data;
  };
  EXPECT_EQ(head_is_wte(found), head_is_wte(expected));
  for (const Checkpoint* one : {&found, &expected}) EXPECT_EQ(one->config().tied_head, head_is_wte(*one));
  for_each_weight(expected.config(), [&](Weight weight, int layer) {
    const Tensor a = found.tensor(weight, layer), b = expected.tensor(weight, layer);
    ASSERT_EQ(a.type, b.type) << name_of(weight);
    for (int64_t r = 0; r < b.rows; ++r)
      for (int64_t c = 0; c < b.cols; ++c) ASSERT_EQ(bits_at(a, r, c), bits_at(b, r, c)) << name_of(weight) << layer;
  });
  const std::vector<float> logits = logits_of(found);
  EXPECT_EQ(logits, logits_of(expected));  // NaN would not be equal
}

}  // namespace gpt2run::test
