// TinyCheckpoint: a small checkpoint in memory, with the same values on every machine. Its matrices are never square,
// all weights are FP32, and the head is tied.
#pragma once
#include <map>
#include <vector>

#include "gpt2run/loader.hpp"
#include "gpt2run/sdk/random.hpp"

namespace gpt2run::test {

class TinyCheckpoint final : public Checkpoint {
 public:
  explicit TinyCheckpoint(
      ModelConfig config = {.L = 2, .H = 2, .C = 12, .F = 20, .V = 23, .T = 40, .end_of_text = 22, .epsilon = 1e-5f},
      uint64_t seed = 1)
      : config_(config) {
    for (int w = 0; w < kWeights; ++w) {
      const auto weight = static_cast<Weight>(w);
      if (weight == Weight::head_w) continue;
      for (int layer = 0; layer < (is_per_layer(weight) ? config.L : 1); ++layer) fill(weight, layer, seed);
    }
  }

  const ModelConfig& config() const override { return config_; }
  const char* tokenizer() const override { return nullptr; }

  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w) weight = Weight::wte;
    const Shape shape = shape_of(weight, config_);
    return {values_.at({weight, layer}).data(), Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

  // For tests that change a weight.
  std::vector<float>& values(Weight weight, int layer) { return values_.at({weight, layer}); }

 private:
  void fill(Weight weight, int layer, uint64_t seed) {
    const Shape shape = shape_of(weight, config_);
    std::vector<float> values(shape.rows * shape.cols);
    const bool gain = weight == Weight::ln1_w || weight == Weight::ln2_w || weight == Weight::lnf_w;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint64_t bits = random_bits(seed, static_cast<uint64_t>(weight) * 1000 + layer, static_cast<int32_t>(i));
      const float uniform = static_cast<float>(bits >> 40) * 0x1p-23f - 1;  // [-1, 1)
      values[i] = gain ? 1 + 0.2f * uniform : 0.4f * uniform;
    }
    values_[{weight, layer}] = std::move(values);
  }

  ModelConfig config_;
  std::map<std::pair<Weight, int>, std::vector<float>> values_;
};

}  // namespace gpt2run::test
