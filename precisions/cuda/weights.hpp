// A model's weights in device memory. Matrices are stored in the type, each row padded with zeros to a whole line.
// Vectors are rounded to the type and stored as FP32. Both are converted on the device, by the functions that every
// precision uses.
#pragma once
#include <algorithm>
#include <vector>

#include "../common/overflow.hpp"
#include "plan.hpp"
#include "staging.hpp"
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
    const Value *qkv_typed = nullptr, *up_typed = nullptr;  // qkv_b and up_b in the type, with Epilogue::fused
  };
  struct Head {
    const float *lnf_w, *lnf_b;
    DeviceMatrix<Value> w;  // (V, C): the embedding's wte if tied, else its own
  };
  ModelConfig config;
  Embedding embedding;
  std::vector<Layer> layers;
  Head head;
  std::vector<Array<Value>> matrices;  // the memory of all matrices, and of biases in the type
  std::vector<Array<float>> vectors;   // the memory of all vectors

  // Lets kernels read the weights before the kernel in front has ended. The stream has passed the conversions.
  void set_read_only() const {
    for (const Array<Value>& matrix : matrices) cuda::set_read_only(matrix.data());
    for (const Array<float>& vector : vectors) cuda::set_read_only(vector.data());
  }
};

inline constexpr int kConvertThreads = 256;
inline constexpr int kConvertBlocks = 1024;  // most blocks of a launch

// A piece of a tensor in the file's type, and the destination of its converted values.
template <class From, class Stored>
struct Conversion {
  const From* raw;
  int row_step, col_step;  // in raw
  int rows, cols;
  Stored* target;  // (rows, stride)
  int64_t stride;
  uint32_t* beyond;  // set to 1 if a finite weight has become infinite
};

// A value of the file as at() of the contract has it: FP64 is rounded to FP32 first, and then to the type.
template <class From>
GPT2RUN_DEVICE float read_as_f32(From value) {
  if constexpr (std::is_same_v<From, double>)
    return static_cast<float>(value);
  else
    return to_f32(value);
}

GPT2RUN_DEVICE bool is_infinite(float value) { return value == INFINITY || value == -INFINITY; }

// Rounds every value, to nearest, ties to even, with the functions that the host uses too. A finite FP32 value beyond
// the type becomes the type's largest value.
template <class Value, class From, class Stored>
GPT2RUN_KERNEL(kConvertThreads)
convert_kernel(Conversion<From, Stored> c) {
  bool beyond = false;
  const int count = c.rows * c.cols, step = blocks_x() * kConvertThreads;
  for (int i = block_x() * kConvertThreads + thread_id(); i < count; i += step) {
    const int row = i / c.cols, col = i % c.cols;
    const float from = read_as_f32(c.raw[row * c.row_step + col * c.col_step]);
    Value own = from_f32<Value>(from);
    if (is_infinite(to_f32(own)) && !is_infinite(from)) {
      beyond = true;
      own = from_f32<Value>(from < 0 ? -largest_of(kTypeOf<Value>) : largest_of(kTypeOf<Value>));
    }
    if constexpr (std::is_same_v<Stored, Value>)
      c.target[row * c.stride + col] = own;
    else
      c.target[row * c.stride + col] = to_f32(own);
  }
  if (beyond) atomic_or(c.beyond, 1);
}

inline constexpr size_t kStagedBytes = 16 << 20;  // size of each of the two buffers

// Loads the weights of one model. Throws Error if memory is short or a weight overflows, and as Checkpoint::tensor
// does.
template <class Value>
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, Overflow overflow, void* stream, size_t staged = kStagedBytes)
      : checkpoint_(checkpoint),
        overflow_(overflow),
        stream_(stream),
        beyond_(size_t(kWeights) * checkpoint.config().L + kWeights),
        staging_(staged, stream) {
    fill_zero(beyond_.data(), beyond_.bytes(), stream);
  }

  // Loads in the same order as the CPU's loader, so that both report the same weight if several overflow.
  DeviceWeights<Value> load(Epilogue epilogue = Epilogue::exact) {
    w_.config = checkpoint_.config();
    w_.embedding = {matrix(Weight::wte), matrix(Weight::wpe)};
    for (int l = 0; l < w_.config.L; ++l) {
      w_.layers.push_back({vector(Weight::ln1_w, l), vector(Weight::ln1_b, l), vector(Weight::qkv_b, l),
                           vector(Weight::proj_b, l), vector(Weight::ln2_w, l), vector(Weight::ln2_b, l),
                           vector(Weight::up_b, l), vector(Weight::down_b, l), matrix(Weight::qkv_w, l),
                           matrix(Weight::proj_w, l), matrix(Weight::up_w, l), matrix(Weight::down_w, l)});
      if (epilogue == Epilogue::exact) continue;
      typename DeviceWeights<Value>::Layer& layer = w_.layers.back();
      layer.qkv_typed = typed(layer.qkv_b, 3 * w_.config.C), layer.up_typed = typed(layer.up_b, w_.config.F);
    }
    const bool tied = checkpoint_.tensor(Weight::head_w, 0).data == checkpoint_.tensor(Weight::wte, 0).data;
    w_.head = {vector(Weight::lnf_w), vector(Weight::lnf_b), tied ? w_.embedding.wte : matrix(Weight::head_w)};
    if (overflow_ == Overflow::error) refuse_first();
    return std::move(w_);
  }

 private:
  struct Name {
    Weight weight;
    int layer;
  };

  // The weight in a floating-point type: as it is stored, or the exact values of a quantised one, which stay until the
  // next call.
  Tensor floating(Weight weight, int layer) {
    const Tensor t = checkpoint_.tensor(weight, layer);
    if (t.type != Type::i8 && t.type != Type::u4) return t;
    values_.resize(size_t(t.rows) * t.cols);
    for (int64_t r = 0; r < t.rows; ++r)
      for (int64_t c = 0; c < t.cols; ++c) values_[r * t.cols + c] = at(t, r, c);
    return {values_.data(), Type::f32, t.rows, t.cols, t.cols, 1};
  }

  const float* vector(Weight weight, int layer = 0) {
    const Tensor t = floating(weight, layer);
    w_.vectors.emplace_back(size_t(t.rows));
    float* target = w_.vectors.back().data();
    convert({weight, layer}, {t.data, t.type, 1, t.rows, t.rows, t.row_stride}, target, t.rows);
    return target;
  }

  DeviceMatrix<Value> matrix(Weight weight, int layer = 0) {
    const Tensor t = floating(weight, layer);
    const int stride = padded_to_line<Value>(static_cast<int>(t.cols));
    w_.matrices.emplace_back(size_t(t.rows) * stride);
    const Array<Value>& target = w_.matrices.back();
    if (stride != t.cols) fill_zero(target.data(), target.bytes(), stream_);
    convert({weight, layer}, t, target.data(), stride);
    return {target.data(), static_cast<int>(t.rows), stride};
  }

  // Converts a vector back to the type. It has been rounded already, so this is exact.
  const Value* typed(const float* values, int count) {
    w_.matrices.emplace_back(size_t(count));
    Value* target = w_.matrices.back().data();
    launch_convert<float, Value>({values, count, 1, 1, count, target, count, beyond_.data()});
    return target;
  }

  template <class From, class Stored>
  void launch_convert(const Conversion<From, Stored>& c) {
    const int blocks = std::min(kConvertBlocks, divided_up(c.rows * c.cols, kConvertThreads));
    launch({"convert", {blocks, 1, 1}, kConvertThreads, 0, stream_}, convert_kernel<Value, From, Stored>, c);
  }

  template <class Stored>
  void convert(const Name& name, const Tensor& t, Stored* target, int64_t stride) {
    switch (t.type) {
      case Type::f32:
        return convert_from<float>(name, t, target, stride);
      case Type::f16:
        return convert_from<f16>(name, t, target, stride);
      case Type::bf16:
        return convert_from<bf16>(name, t, target, stride);
      case Type::f64:
        return convert_from<double>(name, t, target, stride);
      default:
        fail_type(t.type);
    }
  }

  template <class From, class Stored>
  void convert_from(const Name& name, const Tensor& t, Stored* target, int64_t stride) {
    uint32_t* beyond = beyond_.data() + names_.size();
    names_.push_back(name);
    staging_.send(t, [&](const Lines& lines, const Piece& piece, const char* raw) {
      const int count = static_cast<int>(piece.count), length = static_cast<int>(piece.length);
      Conversion<From, Stored> c = {
          reinterpret_cast<const From*>(raw), length, 1, count, length, nullptr, stride, beyond};
      c.target = target + piece.line * stride + piece.element;
      if (lines.transposed) {
        c.row_step = 1, c.col_step = length, c.rows = length, c.cols = count;
        c.target = target + piece.element * stride + piece.line;
      }
      launch_convert(c);
    });
  }

  void refuse_first() {
    std::vector<uint32_t> beyond(names_.size());
    download(beyond_.data(), beyond.data(), beyond.size() * sizeof(uint32_t), stream_);
    for (size_t i = 0; i < names_.size(); ++i)
      if (beyond[i])
        refuse_overflow(names_[i].weight, names_[i].layer, checkpoint_.tensor(names_[i].weight, names_[i].layer),
                        kTypeOf<Value>);
  }

  const Checkpoint& checkpoint_;
  Overflow overflow_;
  void* stream_;
  Array<uint32_t> beyond_;   // 1 for each tensor of names_ with a weight beyond the type
  std::vector<Name> names_;  // the converted tensors
  std::vector<float> values_;
  DeviceWeights<Value> w_;
  Staging staging_;  // destroyed first: it waits for copies and conversions that are still enqueued
};

}  // namespace gpt2run::cuda
