// Computes the values of the tiny model and stores them.
#include "conformance/tiny_checkpoint.hpp"

#include <cstring>

#include "gpt2run/sdk/float16.hpp"

namespace gpt2run::conformance {
namespace {

constexpr float kStep = 1.0f / 64;

// Values are k / 64 with |k| <= 80, which is exact in every type. Gains are near 1, all others near 0.
float value_of(Weight weight, int layer, int64_t index) {
  uint64_t x =
      (static_cast<uint64_t>(weight) * 131 + static_cast<uint64_t>(layer)) * 65537 + static_cast<uint64_t>(index);
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  const float small = static_cast<float>(static_cast<int>((x ^ x >> 31) % 127) - 63) / 64;
  const bool is_gain = weight == Weight::ln1_w || weight == Weight::ln2_w || weight == Weight::lnf_w;
  return is_gain ? 1 + static_cast<float>(static_cast<int>(x % 33) - 16) / 64 : small;
}

template <class T>
void put(std::string& bytes, size_t at, T value) {
  std::memcpy(&bytes[at], &value, sizeof value);
}

void put(std::string& bytes, size_t at, Type type, float value) {
  switch (type) {
    case Type::f32:
      return put(bytes, at, value);
    case Type::f64:
      return put(bytes, at, static_cast<double>(value));
    case Type::f16:
      return put(bytes, at, f16_from_f32(value));
    case Type::bf16:
      return put(bytes, at, bf16_from_f32(value));
    case Type::i8:
      return put(bytes, at, static_cast<int8_t>(value / kStep));
    case Type::u4:
      break;
  }
  fail_type(type);
}

}  // namespace

TinyCheckpoint::TinyCheckpoint(const TinyForm& form) : form_(form), scales_(3 * kTiny.C, kStep), weights_(kWeights) {
  for (int w = 0; w < kWeights; ++w) {
    const Weight weight = static_cast<Weight>(w);
    const int layers = is_per_layer(weight) ? kTiny.L : 1;
    for (int layer = 0; layer < layers; ++layer) weights_[w].push_back(store(weight, layer));
  }
  for (auto& layers : weights_)
    for (Stored& stored : layers) stored.view.data = stored.bytes.data() + (form_.awkward ? 1 : 0);
}

TinyCheckpoint::Stored TinyCheckpoint::store(Weight weight, int layer) const {
  const Shape shape = shape_of(weight, kTiny);
  const bool turned = form_.awkward && shape.cols > 1 && is_per_layer(weight);
  Stored stored{{}, {nullptr, form_.type, shape.rows, shape.cols, shape.cols, 1}};
  if (form_.type == Type::i8) stored.view.scales = scales_.data();
  if (turned) stored.view.row_stride = 1, stored.view.col_stride = shape.rows + 3;
  const size_t elements = turned ? shape.cols * (shape.rows + 3) : shape.rows * shape.cols;
  stored.bytes.assign(elements * bytes_of(form_.type) + 1, '\x7f');  // padding reads as a huge value or NaN
  for (int64_t row = 0; row < shape.rows; ++row)
    for (int64_t col = 0; col < shape.cols; ++col) {
      const int64_t at = row * stored.view.row_stride + col * stored.view.col_stride;
      put(stored.bytes, at * bytes_of(form_.type) + (form_.awkward ? 1 : 0), form_.type,
          value_of(weight, layer, row * shape.cols + col));
    }
  return stored;
}

Tensor TinyCheckpoint::tensor(Weight weight, int layer) const {
  const Weight owner = weight == Weight::head_w ? Weight::wte : weight;
  return weights_.at(static_cast<size_t>(owner)).at(static_cast<size_t>(layer)).view;
}

}  // namespace gpt2run::conformance
