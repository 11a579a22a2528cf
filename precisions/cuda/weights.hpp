// A model's weights in device memory: matrices in the type, each row padded with zeros to a whole line, vectors rounded
// to the type and kept as FP32. Converted on the host, by the functions that every precision uses.
#pragma once
#include <algorithm>
#include <vector>

#include "../common/overflow.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

template <class Value>
inline constexpr Type kTypeOf = std::is_same_v<Value, float> ? Type::f32
                                : std::is_same_v<Value, f16> ? Type::f16
                                                             : Type::bf16;

template <class Value>
struct DeviceWeights {
  struct Embedding {
    DeviceMatrix<Value> wte, wpe;  // (V, C), (T, C)
  };
  struct Layer {
    const float *ln1_w, *ln1_b, *qkv_b, *proj_b, *ln2_w, *ln2_b, *up_b, *down_b;
    DeviceMatrix<Value> qkv_w, proj_w, up_w, down_w;
  };
  struct Head {
    const float *lnf_w, *lnf_b;
    DeviceMatrix<Value> w;  // (V, C): wte's or its own
  };
  ModelConfig config;
  Embedding embedding;
  std::vector<Layer> layers;
  Head head;
  std::vector<Array<Value>> matrices;  // what the pointers point into
  std::vector<Array<float>> vectors;
};

// Throws what Checkpoint::tensor throws, and Error when device memory is short or a weight overflows.
template <class Value>
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, Overflow overflow, void* stream)
      : checkpoint_(checkpoint), overflow_(overflow), stream_(stream) {}

  DeviceWeights<Value> load() {
    w_.config = checkpoint_.config();
    w_.embedding = {matrix(Weight::wte), matrix(Weight::wpe)};
    for (int l = 0; l < w_.config.L; ++l) {
      w_.layers.push_back({vector(Weight::ln1_w, l), vector(Weight::ln1_b, l), vector(Weight::qkv_b, l),
                           vector(Weight::proj_b, l), vector(Weight::ln2_w, l), vector(Weight::ln2_b, l),
                           vector(Weight::up_b, l), vector(Weight::down_b, l), matrix(Weight::qkv_w, l),
                           matrix(Weight::proj_w, l), matrix(Weight::up_w, l), matrix(Weight::down_w, l)});
    }
    const bool tied = checkpoint_.tensor(Weight::head_w, 0).data == checkpoint_.tensor(Weight::wte, 0).data;
    w_.head = {vector(Weight::lnf_w), vector(Weight::lnf_b), tied ? w_.embedding.wte : matrix(Weight::head_w)};
    return std::move(w_);
  }

 private:
  static constexpr size_t kChunkBytes = 16 << 20;  // converted and copied at a time

  Value converted(Weight weight, int layer, const Tensor& t, float value) const {
    const Value own = from_f32<Value>(value);
    if (!std::isinf(to_f32(own)) || std::isinf(value)) return own;
    if (overflow_ == Overflow::error) refuse_overflow(weight, layer, t, kTypeOf<Value>);
    return from_f32<Value>(std::copysign(largest_of(kTypeOf<Value>), value));
  }

  const float* vector(Weight weight, int layer = 0) {
    const Tensor t = checkpoint_.tensor(weight, layer);
    std::vector<float> values(t.rows);
    for (int64_t r = 0; r < t.rows; ++r) values[r] = to_f32(converted(weight, layer, t, at(t, r, 0)));
    w_.vectors.emplace_back(values.size());
    upload(w_.vectors.back().data(), values.data(), values.size() * sizeof(float), stream_);
    return w_.vectors.back().data();
  }

  DeviceMatrix<Value> matrix(Weight weight, int layer = 0) {
    const Tensor t = checkpoint_.tensor(weight, layer);
    const int stride = padded_to_line<Value>(static_cast<int>(t.cols));
    w_.matrices.emplace_back(size_t(t.rows) * stride);
    Value* target = w_.matrices.back().data();
    const int64_t at_once = std::max<int64_t>(1, kChunkBytes / (stride * sizeof(Value)));
    std::vector<Value> chunk;
    for (int64_t first = 0; first < t.rows; first += at_once) {
      const int64_t count = std::min(at_once, t.rows - first);
      chunk.assign(count * stride, from_f32<Value>(0));
      for (int64_t r = 0; r < count; ++r)
        for (int64_t c = 0; c < t.cols; ++c) chunk[r * stride + c] = converted(weight, layer, t, at(t, first + r, c));
      upload(target + first * stride, chunk.data(), chunk.size() * sizeof(Value), stream_);
    }
    return {target, static_cast<int>(t.rows), stride};
  }

  const Checkpoint& checkpoint_;
  Overflow overflow_;
  void* stream_;
  DeviceWeights<Value> w_;
};

}  // namespace gpt2run::cuda
