// Logits and greedy tokens against runs in double of transformers, and each type against the reference.
#include <algorithm>

#include "backend.hpp"
#include "support/golden.hpp"

namespace gpt2run::test {
namespace {

constexpr double kTolerance = 1e-4;  // absolute and relative: what FP32 promises

std::unique_ptr<Checkpoint> open_model(const std::string& model) {
  const bool synthetic = model.starts_with("synthetic:");
  static const auto loaders =
      std::pair(make_plugin<Loader>(Kind::loader, "synthetic"), make_plugin<Loader>(Kind::loader, "huggingface"));
  return (synthetic ? loaders.first : loaders.second)->open(model.c_str());
}

class Fp32 : public testing::TestWithParam<Backend> {};

void expect_rows(const Golden& golden, const std::vector<float>& logits, int vocab) {
  for (const GoldenRow& row : golden.rows) {
    const float* own = &logits[size_t(row.position) * vocab];
    double sum = 0, squares = 0;
    for (int v = 0; v < vocab; ++v) sum += own[v], squares += double(own[v]) * own[v];
    EXPECT_NEAR(sum, row.sum, kTolerance * vocab * (1 + row.rms));
    EXPECT_NEAR(std::sqrt(squares / vocab), row.rms, kTolerance * (1 + row.rms));
    for (size_t i = 0; i < row.ids.size(); ++i) {
      EXPECT_NEAR(own[row.ids[i]], row.logits[i], kTolerance * (1 + std::abs(row.logits[i])))
          << golden.name << ", position " << row.position << ", token " << row.ids[i];
    }
  }
}

TEST_P(Fp32, LogitsEqualGoldens) {
  for (const Golden& golden : load_goldens()) {
    const auto checkpoint = open_model(golden.model);
    std::vector<int32_t> tokens = golden.tokens;
    tokens.insert(tokens.end(), golden.greedy.begin(), golden.greedy.end());
    if (std::ssize(tokens) > checkpoint->config().T) tokens.resize(checkpoint->config().T);
    expect_rows(golden, logits_of(GetParam(), *checkpoint, tokens), checkpoint->config().V);
  }
}

// Each step is fed the golden token, so that one near tie cannot excuse all that follows.
TEST_P(Fp32, GreedyTokensEqualGoldens) {
  int compared = 0;
  for (const Golden& golden : load_goldens()) {
    const auto checkpoint = open_model(golden.model);
    const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint));
    std::vector<float> logits = feed(*session, 0, golden.tokens);
    const int vocab = checkpoint->config().V;
    for (size_t i = 0; i < golden.greedy.size(); ++i) {
      const auto last = logits.end() - vocab;
      const auto best = static_cast<int32_t>(std::max_element(last, logits.end()) - last);
      if (golden.margins[i] > 2 * kTolerance * (1 + std::abs(last[best]))) {  // two logits may be wrong
        EXPECT_EQ(best, golden.greedy[i]) << golden.name << ", step " << i;
        ++compared;
      }
      if (i + 1 < golden.greedy.size()) logits = feed(*session, 0, {golden.greedy[i]});
    }
  }
  EXPECT_GT(compared, 100);
}

INSTANTIATE_TEST_SUITE_P(All, Fp32, testing::ValuesIn(rows_of(all_backends(), {Type::f32})), row_name);

class Types : public testing::TestWithParam<Backend> {};

// A type's own error is what the reference of that type has against the reference of FP32. A path that does not round
// (or rounds twice) has another; a path that rounds right has the same, but not the same values: see the next test.
TEST_P(Types, ErrorIsThatOfTheType) {
  const auto checkpoint = open_model("synthetic:L=4,C=96,H=4,F=200,V=301,T=64,std=0.1,seed=5");
  const auto tokens = some_tokens(64, checkpoint->config().V);
  const auto exact = logits_of(reference(Type::f32), *checkpoint, tokens);
  const auto rounded = logits_of(reference(GetParam().type), *checkpoint, tokens);
  const auto own = logits_of(GetParam(), *checkpoint, tokens);
  const double of_type = rms_error(rounded, exact);
  EXPECT_GT(of_type, 0.0);
  EXPECT_GE(rms_error(own, exact), 0.5 * of_type);
  EXPECT_LE(rms_error(own, exact), 2.0 * of_type);
  EXPECT_LE(rms_error(own, rounded), 1.5 * of_type);
}

std::vector<float> centred(std::vector<float> logits, int vocab) {
  for (size_t first = 0; first < logits.size(); first += vocab) {
    double mean = 0;
    for (int v = 0; v < vocab; ++v) mean += logits[first + v] / vocab;
    for (int v = 0; v < vocab; ++v) logits[first + v] -= static_cast<float>(mean);
  }
  return logits;
}

class Tolerance : public testing::TestWithParam<Backend> {};

TEST_P(Tolerance, LogitsAreWithinTheDeclaredTolerance) {
  const char* models[] = {"synthetic:L=1,C=48,H=3,F=100,V=301,T=33,std=0.1",
                          "synthetic:L=12,C=64,H=2,F=256,V=301,T=33,std=0.1",
                          "synthetic:L=4,C=192,H=3,F=768,V=1000,T=40",
                          "synthetic:L=4,C=48,H=3,F=100,V=301,T=33,std=0.1,activation=gelu_erf,scale_by_layer=1",
                          "synthetic:L=4,C=48,H=3,F=100,V=301,T=33,std=0.1,activation=relu",
                          "synthetic:L=4,C=48,H=3,F=100,V=301,T=33,std=0.1,activation=silu",
                          "synthetic:L=4,C=48,H=3,F=100,V=301,T=33,std=0.1,activation=tanh"};
  for (const char* model : models) {
    const auto checkpoint = open_model(model);
    const auto session = make_precision(GetParam())->open(*checkpoint, limits_for(*checkpoint));
    const auto tokens = some_tokens(33, checkpoint->config().V);
    const auto expected = logits_of(reference(GetParam().type), *checkpoint, tokens);
    const double relative =
        rms_error(feed(*session, 0, tokens), expected) / rms(centred(expected, checkpoint->config().V));
    EXPECT_LE(relative, session->traits().tolerance) << model;
  }
}
INSTANTIATE_TEST_SUITE_P(All, Types, testing::ValuesIn(rows_of(fast_backends(), {Type::f16, Type::bf16})), row_name);
INSTANTIATE_TEST_SUITE_P(All, Tolerance, testing::ValuesIn(fast_backends()), row_name);

}  // namespace
}  // namespace gpt2run::test
