// Loading of weights. Where the checkpoint has all of them as the kernels read them, they are used where they lie.
// Otherwise fetching a tensor checks it, and all workers together convert the tensors, and transpose those that the
// file stores transposed.
#include "weights.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <string>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "../common/two_bf16.hpp"
#include "batches.hpp"

namespace gpt2run::cpu {
namespace {

constexpr size_t kHugePage = size_t(2) << 20;

// An element of a quantised type, which needs the scales of its tensor.
struct Quantised {
  float value;
};
float to_f32(Quantised element) { return element.value; }
using cpu::to_f32;

// The conversion of one tensor. Exactly one of the three targets is set.
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

// True where FP32 has the contract of two BF16 values, to which its matrices are rounded.
template <class Layout, class Value>
constexpr bool kTwoParts = std::is_same_v<Value, float>&& std::is_same_v<Layout, TileLayout>;

// An element of a packed matrix. Where the type stays the same, so do the bits.
template <class Layout, class Value, class From>
Value converted(From value) {
  if constexpr (kTwoParts<Layout, Value>)
    return round_to_two_bf16(to_f32(value));
  else if constexpr (std::is_same_v<Value, From>)
    return value;
  else
    return from_f32<Value>(to_f32(value));
}

// at = the elements of rows [first, last) for one input, or for a pair of them, as a packed target has them. get(r, k):
// the element of the file.
template <class Layout, class Value, class Get>
void pack_inputs(int first, int last, int k, int K, Value* at, const Get& get) {
  if (Layout::together == 2 && k + 1 < K) {
    for (int r = first; r < last; ++r) {
      at[2 * (r - first)] = converted<Layout, Value>(get(r, k));
      at[2 * (r - first) + 1] = converted<Layout, Value>(get(r, k + 1));
    }
  } else {
    for (int r = first; r < last; ++r) at[(r - first) * Layout::together] = converted<Layout, Value>(get(r, k));
  }
}

// The same as convert() for a packed target. begin: the first row of a panel.
template <class Layout, class From, class Value>
void pack(const Tensor& t, int begin, int end, Value* target) {
  const int K = static_cast<int>(t.cols);
  const auto get = [&t](int r, int k) { return element<From>(t, r, k); };
  // What the compiler knows to be contiguous it reads many at a time.
  const auto get_along_rows = [data = t.data, step = t.col_stride](int r, int k) {
    return element<From>({data, Type{}, 0, 0, 1, step}, r, k);
  };
  const bool is_along_rows = t.row_stride == 1 && !std::is_same_v<From, Quantised>;
  for (int first = begin; first < end; first += Layout::panel) {
    const int last = std::min(first + Layout::panel, end);
    if (last - first < Layout::panel || K % Layout::multiple != 0)
      std::fill_n(target + Layout::at(first, 0, K), Layout::panel_elements(K), Value{});
    for (int k = 0; k < K; k += Layout::together) {
      Value* at = target + Layout::at(first, k, K);
      if (is_along_rows)
        pack_inputs<Layout>(first, last, k, K, at, get_along_rows);
      else
        pack_inputs<Layout>(first, last, k, K, at, get);
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

// The names of the forms for Checkpoint::packed: the rounding contract, and all that the place of a value depends on.
template <class Value, class Layout>
struct Layouts {
  std::string names[3] = {contract() + ":vector", contract() + ":rows",
                          contract() + ":panel=" + std::to_string(Layout::panel) + ":together=" +
                              std::to_string(Layout::together) + ":multiple=" + std::to_string(Layout::multiple)};
  static std::string contract() {
    return kTwoParts<Layout, Value> ? std::string("type=") + kTwoBf16 : contract_of(kType<Value>);
  }
  const char* of(Weight weight) const { return names[static_cast<size_t>(form_of(weight))].c_str(); }
};

// The bytes of a weight in memory.
template <class Value, class Layout>
size_t bytes_in_memory(Weight weight, const ModelConfig& m) {
  const Shape shape = shape_of(weight, m);
  const int rows = static_cast<int>(shape.rows), cols = static_cast<int>(shape.cols);
  switch (form_of(weight)) {
    case Form::vector:
      return rows * sizeof(float);
    case Form::rows:
      return size_t(rows) * cols * sizeof(Value);
    default:
      return Layout::elements(rows, cols) * sizeof(Value);
  }
}

// Calls call(weight, layer) for all weights in memory. A tied model has no head of its own.
template <class Call>
void for_each_weight(const ModelConfig& m, bool tied, const Call& call) {
  for (int i = 0; i < kWeights; ++i) {
    const Weight weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && tied) continue;
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) call(weight, layer);
  }
}

// Gives every weight its place: that in the checkpoint if all are packed there, else a part of an arena.
template <class Value, class Layout>
class Placement {
 public:
  Placement(const Checkpoint& checkpoint, bool tied) : checkpoint_(checkpoint), arena_(0) {
    size_t bytes = 0;
    for_each_weight(checkpoint.config(), tied, [&](Weight weight, int layer) {
      const size_t own = bytes_in_memory<Value, Layout>(weight, checkpoint.config());
      const PackedWeights packed = checkpoint.packed(weight, layer, layouts_.of(weight));
      is_packed_ =
          is_packed_ && packed.data && packed.bytes == own && reinterpret_cast<uintptr_t>(packed.data) % 64 == 0;
      bytes += Arena::aligned_bytes<std::byte>(own);
    });
    if (!is_packed_) arena_ = Arena(bytes);
  }

  // Stored: the type of the weight's elements in memory.
  template <class Stored>
  const Stored* place(Weight weight, int layer = 0) {
    const char* layout = layouts_.of(weight);
    if (is_packed_) return static_cast<const Stored*>(checkpoint_.packed(weight, layer, layout).data);
    const size_t bytes = bytes_in_memory<Value, Layout>(weight, checkpoint_.config());
    std::byte* at = arena_.take<std::byte>(bytes);
    const Form form = form_of(weight);
    conversions_.push_back({weight, layer, checkpoint_.tensor(weight, layer),
                            form == Form::panels ? reinterpret_cast<Value*>(at) : nullptr,
                            form == Form::rows ? reinterpret_cast<Value*>(at) : nullptr,
                            form == Form::vector ? reinterpret_cast<float*>(at) : nullptr});
    parts_.push_back({weight, layer, layout, {at, bytes}});
    return reinterpret_cast<const Stored*>(at);
  }

  Arena take_arena() { return std::move(arena_); }
  const std::vector<Conversion<Value>>& conversions() const { return conversions_; }  // none if all are packed
  void keep() const {
    if (!is_packed_) checkpoint_.keep_packed(parts_);
  }

 private:
  const Checkpoint& checkpoint_;
  Arena arena_;
  Layouts<Value, Layout> layouts_;
  bool is_packed_ = true;
  std::vector<Conversion<Value>> conversions_;
  std::vector<PackedPart> parts_;
};

// Converts on all workers. Returns the number of the first tensor with an overflow, or of all if there is none.
template <class Layout, class Value>
size_t convert_all(const std::vector<Conversion<Value>>& conversions, const Checkpoint& checkpoint, Pool& pool) {
  std::atomic<size_t> first = conversions.size();
  read_in_batches(conversions, checkpoint, pool, [&](size_t i, int worker, int workers) {
    if (!convert_tensor<Layout>(conversions[i], worker, workers)) return;
    for (size_t known = first; i < known && !first.compare_exchange_weak(known, i);) continue;
  });
  return first;
}

}  // namespace

Arena::Arena(size_t bytes) {
  if (bytes == 0) return;
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
  const bool tied = checkpoint.tensor(Weight::head_w, 0).data == checkpoint.tensor(Weight::wte, 0).data;
  Placement<Value, Layout> placement(checkpoint, tied);
  const auto matrix = [&](Weight weight, int layer = 0) { return placement.template place<Value>(weight, layer); };
  const auto vector = [&](Weight weight, int layer = 0) { return placement.template place<float>(weight, layer); };
  Weights<Value> w{m, {matrix(Weight::wte), matrix(Weight::wpe)}, {}, {}, Arena(0)};
  for (int l = 0; l < m.L; ++l) {
    w.layers.push_back({vector(Weight::ln1_w, l), vector(Weight::ln1_b, l), vector(Weight::qkv_b, l),
                        vector(Weight::proj_b, l), vector(Weight::ln2_w, l), vector(Weight::ln2_b, l),
                        vector(Weight::up_b, l), vector(Weight::down_b, l), matrix(Weight::qkv_w, l),
                        matrix(Weight::proj_w, l), matrix(Weight::up_w, l), matrix(Weight::down_w, l)});
  }
  w.head = {vector(Weight::lnf_w), vector(Weight::lnf_b), tied ? w.embedding.wte : matrix(Weight::head_w)};
  w.arena = placement.take_arena();
  const std::vector<Conversion<Value>>& conversions = placement.conversions();
  const size_t first = convert_all<Layout>(conversions, checkpoint, pool);
  if (first == conversions.size())
    placement.keep();
  else if (overflow == Overflow::error)
    refuse_overflow(conversions[first].weight, conversions[first].layer, conversions[first].from, kType<Value>);
  return w;
}

template Weights<float> load_weights<float, VectorLayout<float>>(const Checkpoint&, Pool&, Overflow);
template Weights<f16> load_weights<f16, VectorLayout<f16>>(const Checkpoint&, Pool&, Overflow);
template Weights<bf16> load_weights<bf16, VectorLayout<bf16>>(const Checkpoint&, Pool&, Overflow);
template Weights<float> load_weights<float, TileLayout>(const Checkpoint&, Pool&, Overflow);
template Weights<f16> load_weights<f16, TileLayout>(const Checkpoint&, Pool&, Overflow);
template Weights<bf16> load_weights<bf16, TileLayout>(const Checkpoint&, Pool&, Overflow);

}  // namespace gpt2run::cpu
