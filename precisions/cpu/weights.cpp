// Loading of weights. Fetching a tensor checks it; then all workers together convert the tensors, and transpose those
// that the file stores transposed.
#include "weights.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gpt2run::cpu {
namespace {

constexpr size_t kHugePage = size_t(2) << 20;
constexpr int kTile = 32;  // inputs packed at a time; with a panel's outputs they fit in the L1 cache

// The conversion of one tensor. Exactly one of the three targets is set.
// FP64 is rounded to FP32 first, as at() of the contract does.
float to_f32(double value) { return static_cast<float>(value); }
using gpt2run::to_f32;

// An element of a quantised type, which needs the scales of its tensor.
struct Quantised {
  float value;
};
float to_f32(Quantised element) { return element.value; }

template <class Value>
struct Conversion {
  Weight weight;
  int layer;
  Tensor from;
  Value* packed;  // packed (rows, cols)
  Value* matrix;  // (rows, cols)
  float* vector;  // (rows)
};

template <class From>
From element(const Tensor& t, int64_t row, int64_t col) {
  From from;
  std::memcpy(&from, static_cast<const From*>(t.data) + row * t.row_stride + col * t.col_stride, sizeof from);
  return from;
}

template <>
Quantised element<Quantised>(const Tensor& t, int64_t row, int64_t col) {
  return {at(t, row, col)};
}

// target = rows [begin, end) of the tensor (rows, cols), rounded to Value. From: the type in the file.
template <class From, class Value>
void convert(const Tensor& t, int begin, int end, Value* target) {
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < t.cols; ++c) target[r * t.cols + c] = from_f32<Value>(to_f32(element<From>(t, r, c)));
  }
}

// The same for a packed target. begin: the first row of a panel.
template <class Layout, class From, class Value>
void pack(const Tensor& t, int begin, int end, Value* target) {
  const int K = static_cast<int>(t.cols);
  for (int first = begin; first < end; first += Layout::panel) {
    const int last = std::min(first + Layout::panel, end);
    if (last - first < Layout::panel || Layout::panel_elements(K) != size_t(K) * Layout::panel)
      std::fill_n(target + Layout::at(first, 0, K), Layout::panel_elements(K), Value{});
    for (int k0 = 0; k0 < K; k0 += kTile) {
      const int k_end = std::min(k0 + kTile, K);
      for (int k = k0; k < k_end; ++k) {
        Value* at = target + Layout::at(first, k, K);
        for (int r = first; r < last; ++r)
          at[(r - first) * Layout::together] = from_f32<Value>(to_f32(element<From>(t, r, k)));
      }
    }
  }
}

template <class Layout, class Value>
void convert_rows(const Conversion<Value>& conversion, int begin, int end) {
  const Tensor& t = conversion.from;
  const auto to = [&](auto from) {
    using From = decltype(from);
    return conversion.packed ? pack<Layout, From>(t, begin, end, conversion.packed)
                             : convert<From>(t, begin, end, conversion.matrix);
  };
  switch (t.type) {
    case Type::f32:
      return to(float{});
    case Type::f16:
      return to(f16{});
    case Type::bf16:
      return to(bf16{});
    case Type::f64:
      return to(double{});
    case Type::i8:
    case Type::u4:
      return to(Quantised{});
  }
}

// Infinity is found by bits where possible, so that the scan is cheap compared with the conversion.
bool is_infinite(float value) { return std::isinf(value); }
bool is_infinite(f16 value) { return (value.bits & 0x7fff) == 0x7c00; }
bool is_infinite(bf16 value) { return (value.bits & 0x7fff) == 0x7f80; }

// Clamps the values of rows [begin, end) that are finite in the file and became infinite. Returns true if there were
// any. target: the `count` elements that hold these rows. of(row, col): a reference to one element.
template <class Value, class Stored, class Of>
bool saturate(const Tensor& t, int64_t begin, int64_t end, const Stored* target, size_t count, const Of& of) {
  if constexpr (std::is_same_v<Value, float>) return false;
  int infinite = 0;
  for (size_t i = 0; i < count; ++i) infinite |= is_infinite(target[i]);
  if (!infinite) return false;
  bool any = false;
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t c = 0; c < t.cols; ++c) {
      const float from = at(t, r, c);
      Stored& stored = of(r, c);
      if (!is_infinite(stored) || std::isinf(from)) continue;
      stored = from_f32<Stored>(std::copysign(largest_of(kType<Value>), from));
      any = true;
    }
  }
  return any;
}

template <class Layout, class Value>
bool saturate_rows(const Conversion<Value>& conversion, int begin, int end) {
  const Tensor& t = conversion.from;
  const int K = static_cast<int>(t.cols);
  if (conversion.packed)
    return saturate<Value>(t, begin, end, conversion.packed + Layout::at(begin, 0, K), Layout::elements(end - begin, K),
                           [&](int64_t r, int64_t c) -> Value& {
                             return conversion.packed[Layout::at(static_cast<int>(r), static_cast<int>(c), K)];
                           });
  return saturate<Value>(t, begin, end, conversion.matrix + int64_t(begin) * K, size_t(end - begin) * K,
                         [&](int64_t r, int64_t c) -> Value& { return conversion.matrix[r * K + c]; });
}

// Converts one worker's part of a tensor. Returns true if a weight overflowed, and was clamped to the largest value.
template <class Layout, class Value>
bool convert_tensor(const Conversion<Value>& conversion, int worker, int workers) {
  const Tensor& t = conversion.from;
  if (conversion.vector) {
    if (worker != 0) return false;
    for (int64_t r = 0; r < t.rows; ++r) conversion.vector[r] = to_f32(from_f32<Value>(at(t, r, 0)));
    return saturate<Value>(t, 0, t.rows, conversion.vector, t.rows,
                           [&](int64_t r, int64_t) -> float& { return conversion.vector[r]; });
  }
  bool overflow = false;
  const WorkRange range(static_cast<int>(t.rows), worker, workers, Layout::panel);
  for (int r = range.begin; r < range.end; r += Layout::panel) {
    const int end = std::min(r + Layout::panel, range.end);
    convert_rows<Layout>(conversion, r, end);
    overflow |= saturate_rows<Layout>(conversion, r, end);
  }
  return overflow;
}

// The bytes of all weights in memory. A tied model has no head of its own.
template <class Value, class Layout>
size_t bytes_of_weights(const ModelConfig& m, bool tied) {
  size_t bytes = 0;
  for (int i = 0; i < kWeights; ++i) {
    const Weight weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && tied) continue;
    const Shape shape = shape_of(weight, m);
    const int rows = static_cast<int>(shape.rows), cols = static_cast<int>(shape.cols);
    const size_t one = cols == 1               ? Arena::aligned_bytes<float>(rows)
                       : weight == Weight::wpe ? Arena::aligned_bytes<Value>(size_t(rows) * cols)
                                               : Arena::aligned_bytes<Value>(Layout::elements(rows, cols));
    bytes += one * (is_per_layer(weight) ? m.L : 1);
  }
  return bytes;
}

}  // namespace

Arena::Arena(size_t bytes) {
  const size_t size = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kHugePage, size)));
  if (!memory_) fail("weights: no memory for ", size, " bytes");
#if defined(__linux__)
  madvise(memory_.get(), size, MADV_HUGEPAGE);
#endif
}

void Arena::Free::operator()(std::byte* at) const { std::free(at); }

template <class Value, class Layout>
Weights<Value> load_weights(const Checkpoint& checkpoint, Pool& pool, Overflow overflow) {
  const ModelConfig& m = checkpoint.config();
  const Tensor head = checkpoint.tensor(Weight::head_w, 0), wte = checkpoint.tensor(Weight::wte, 0);
  const bool tied = head.data == wte.data;
  Weights<Value> w{m, {}, {}, {}, Arena(bytes_of_weights<Value, Layout>(m, tied))};
  std::vector<Conversion<Value>> conversions;
  const auto matrix = [&](Weight weight, int layer = 0) {
    const Tensor from = checkpoint.tensor(weight, layer);
    const int rows = static_cast<int>(from.rows), cols = static_cast<int>(from.cols);
    Value* packed = w.arena.template take<Value>(Layout::elements(rows, cols));
    conversions.push_back({weight, layer, from, packed, nullptr, nullptr});
    return packed;
  };
  const auto plain = [&](Weight weight) {
    const Tensor from = checkpoint.tensor(weight, 0);
    conversions.push_back({weight, 0, from, nullptr, w.arena.template take<Value>(from.rows * from.cols), nullptr});
    return conversions.back().matrix;
  };
  const auto vector = [&](Weight weight, int layer = 0) {
    const Tensor from = checkpoint.tensor(weight, layer);
    conversions.push_back({weight, layer, from, nullptr, nullptr, w.arena.template take<float>(from.rows)});
    return conversions.back().vector;
  };
  w.embedding = {matrix(Weight::wte), plain(Weight::wpe)};
  for (int l = 0; l < m.L; ++l) {
    w.layers.push_back({vector(Weight::ln1_w, l), vector(Weight::ln1_b, l), vector(Weight::qkv_b, l),
                        vector(Weight::proj_b, l), vector(Weight::ln2_w, l), vector(Weight::ln2_b, l),
                        vector(Weight::up_b, l), vector(Weight::down_b, l), matrix(Weight::qkv_w, l),
                        matrix(Weight::proj_w, l), matrix(Weight::up_w, l), matrix(Weight::down_w, l)});
  }
  w.head = {vector(Weight::lnf_w), vector(Weight::lnf_b), tied ? w.embedding.wte : matrix(Weight::head_w)};
  std::atomic<size_t> first = conversions.size();  // the first tensor with an overflow
  pool.run([&](int worker, int workers) {
    for (size_t i = 0; i < conversions.size(); ++i) {
      if (!convert_tensor<Layout>(conversions[i], worker, workers)) continue;
      for (size_t known = first; i < known && !first.compare_exchange_weak(known, i);) continue;
    }
  });
  if (overflow == Overflow::error && first < conversions.size())
    refuse_overflow(conversions[first].weight, conversions[first].layer, conversions[first].from, kType<Value>);
  return w;
}

template Weights<float> load_weights<float, VectorLayout<float>>(const Checkpoint&, Pool&, Overflow);
template Weights<f16> load_weights<f16, VectorLayout<f16>>(const Checkpoint&, Pool&, Overflow);
template Weights<bf16> load_weights<bf16, VectorLayout<bf16>>(const Checkpoint&, Pool&, Overflow);
template Weights<f16> load_weights<f16, TileLayout>(const Checkpoint&, Pool&, Overflow);
template Weights<bf16> load_weights<bf16, TileLayout>(const Checkpoint&, Pool&, Overflow);

}  // namespace gpt2run::cpu
