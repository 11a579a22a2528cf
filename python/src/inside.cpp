#include "inside.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "gpt2run/sdk/layer_reader.hpp"
#include "gpt2run/sdk/network.hpp"
#include "run.hpp"

namespace gpt2run::python {
namespace {

class LensTap final : public RowTap {
 public:
  LensTap(OpenModel& model, size_t length, int32_t top)
      : reader_(model.config().L, top),
        readout_(model.session(), model.precision()),
        vocabulary_(model.config().V),
        length_(length),
        top_(static_cast<size_t>(top)) {
    const size_t layers = static_cast<size_t>(model.config().L) + 1;
    found.tokens.resize(layers * length * top_, -1), found.final.resize(length, -1);
    found.probabilities.resize(layers * length * top_, std::numeric_limits<float>::quiet_NaN());
    found.final_probability.resize(layers * length), found.final_rank.resize(layers * length);
  }

  bool wants(const char* op) const override {
    return std::string_view(op) == name_of(Op::embed) || std::string_view(op) == name_of(Op::down_add);
  }

  bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) override {
    reader_.take(
        {op, layer, values, static_cast<int32_t>(owners.size()), cols, owners.data(), &readout_, vocabulary_, nullptr},
        [](const TensorRow&) { return true; },
        [this](const TensorRow& row, const LensPosition& position) { keep(row.position, position); });
    return false;
  }

  LensArrays found;

 private:
  void keep(int32_t at, const LensPosition& position) {
    found.final[at] = position.final;
    for (size_t layer = 0; layer < position.layers.size(); ++layer) {
      const RowReading& reading = position.layers[layer];
      const size_t row = layer * length_ + at;
      found.final_probability[row] = std::exp(reading.logprob), found.final_rank[row] = reading.rank;
      for (size_t i = 0; i < reading.top.size(); ++i) {
        found.tokens[row * top_ + i] = reading.top[i].id;
        found.probabilities[row * top_ + i] = std::exp(reading.top[i].logprob);
      }
    }
  }

  LayerReader reader_;
  SessionReadout readout_;
  int32_t vocabulary_;
  size_t length_, top_;
};

class AttentionTap final : public RowTap {
 public:
  AttentionTap(int32_t heads, size_t length, const std::vector<int32_t>& layers)
      : found(layers.size() * heads * length * length), heads_(heads), length_(length), layers_(layers) {}

  bool wants(const char* op) const override { return std::string_view(op) == name_of(Op::attention_weights); }

  bool tensor(const char*, int layer, float* values, int cols, std::span<const TensorRow> owners) override {
    has_weights = true;
    const auto keys = static_cast<size_t>(cols / heads_);
    for (size_t l = 0; l < layers_.size(); ++l) {
      if (layers_[l] != layer) continue;
      for (size_t r = 0; r < owners.size(); ++r)
        for (size_t head = 0; head < static_cast<size_t>(heads_); ++head) {
          const size_t row = (l * heads_ + head) * length_ + owners[r].position;
          std::copy_n(values + r * cols + head * keys, owners[r].position + 1, found.begin() + row * length_);
        }
    }
    return false;
  }

  std::vector<float> found;
  bool has_weights = false;

 private:
  int32_t heads_;
  size_t length_;
  const std::vector<int32_t>& layers_;
};

}  // namespace

LensArrays lens(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, int32_t top,
                const Inside& inside, const Check& check) {
  check_length(*model, ids);
  LensTap tap(*model, ids.size(), top);
  read(model, ids, inside, tap, check);
  return std::move(tap.found);
}

std::vector<float> attention(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids,
                             const std::vector<int32_t>& layers, const Inside& inside, const Check& check) {
  for (const int32_t layer : layers)
    if (layer < 0 || layer >= model->config().L)
      fail("attention: expected layers of the model, 0 to ", model->config().L - 1, ", found ", layer);
  check_length(*model, ids);
  AttentionTap tap(model->config().H, ids.size(), layers);
  read(model, ids, inside, tap, check);
  if (!tap.has_weights) fail("precision ", model->precision(), ": it shows no attention weights");
  return std::move(tap.found);
}

}  // namespace gpt2run::python
