// Weights beyond a 16-bit type: the CPU precisions refuse the model by default and name the tensor, or clamp.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gpt2run/error.hpp"
#include "gpt2run/precision.hpp"
#include "support/error_of.hpp"
#include "support/plugin.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

constexpr Limits kLimits = {
    .slots = 1, .context = 8, .rows = 4, .logit_rows = 1, .threads = 2, .device = 0, .keep_raw = false};

std::vector<float> logits_of(const Checkpoint& model, const char* precision, const char* overflow) {
  const auto maker = make_plugin<Precision>(Kind::precision, precision, {{"overflow", overflow}});
  const auto session = maker->open(model, kLimits);
  session->start(0, {0, 0, 0, 0, 0, 0});
  const Row rows[] = {{0, 3, false}, {0, 7, true}};
  const LogitBatch batch = session->step(rows);
  return {batch.logits, batch.logits + batch.vocab};
}

std::string refusal_of(const Checkpoint& model, const char* precision) {
  return error_of([&] { logits_of(model, precision, "error"); });
}

TEST(Overflow, TheTensorIsNamed) {
  TinyCheckpoint model;
  EXPECT_EQ(refusal_of(model, "cpu-fp16"), "no error");
  model.values(Weight::up_w, 1)[17] = -70000;
  model.values(Weight::up_w, 1)[3] = 65520;
  model.values(Weight::down_w, 1)[0] = 1e9f;
  EXPECT_EQ(refusal_of(model, "cpu-fp16"),
            "weight up_w of layer 1: expected values that fp16 holds, up to 65504, found 2 beyond, the largest 70000; "
            "overflow=saturate clamps them, fp32 holds them");
  EXPECT_EQ(refusal_of(model, "cpu-bf16"), "no error");
  model.values(Weight::up_w, 1)[17] = std::numeric_limits<float>::max();
  EXPECT_NE(refusal_of(model, "cpu-bf16").find("weight up_w of layer 1: expected values that bf16 holds"),
            std::string::npos);
}

TEST(Overflow, VectorsAreJudgedToo) {
  TinyCheckpoint model;
  model.values(Weight::down_b, 0)[5] = 65520;
  EXPECT_NE(refusal_of(model, "cpu-fp16").find("weight down_b of layer 0: "), std::string::npos);
  model.values(Weight::wte, 0)[5] = 65520;
  EXPECT_NE(refusal_of(model, "cpu-fp16").find("weight wte: "), std::string::npos);
}

// The last value that rounds down to the largest one is none, nor is what the file itself calls infinite.
TEST(Overflow, OnlyFiniteValuesThatBecomeInfinite) {
  TinyCheckpoint model;
  model.values(Weight::up_w, 0)[0] = 65519;
  model.values(Weight::wpe, 0)[20 * 12] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(refusal_of(model, "cpu-fp16"), "no error");
}

TEST(Overflow, SaturateIsTheLargestValueOfTheType) {
  for (const auto& [weight, index] : {std::pair(Weight::up_w, 17), std::pair(Weight::down_b, 5)}) {
    TinyCheckpoint huge, clamped;
    huge.values(weight, 1)[index] = -1e9f;
    clamped.values(weight, 1)[index] = -65504;
    const std::vector<float> found = logits_of(huge, "cpu-fp16", "saturate");
    EXPECT_EQ(found, logits_of(clamped, "cpu-fp16", "error"));
    for (const float logit : found) EXPECT_TRUE(std::isfinite(logit));
  }
}

}  // namespace
}  // namespace gpt2run::test
