// Quantising and packing of weights. A worker takes panels: it gathers the rows of a panel as FP32, quantises each, and
// writes it where the kernels read it. Where the checkpoint has all weights so already, they are used in place.
#include "int8_weights.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <deque>
#include <string>

#include "batches.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run::cpu {
namespace {

static_assert(kGroupInputs == kInt4Group);

size_t bytes_of_packed(Type type, int outputs, int K) {
  switch (type) {
    case Type::i8:
      return packed_bytes(Codes::int8, outputs, K);
    case Type::u4:
      return packed_bytes(Codes::int4, outputs, K);
    case Type::bf16:
      return VectorLayout<bf16>::elements(outputs, K) * sizeof(bf16);
    default:
      return VectorLayout<float>::elements(outputs, K) * sizeof(float);
  }
}

// One weight that is to be stored: in panels of `type`, or row by row as FP32.
struct Packing {
  Weight weight;
  int layer;
  Tensor from;
  Type type;
  std::byte* to;
};

// What a worker needs while it packs.
struct Scratch {
  explicit Scratch(int most_inputs)
      : rows(size_t(kPanel) * most_inputs), codes(padded(most_inputs, kInt4Group)), groups(most_inputs) {}
  std::vector<float> rows;     // of a panel
  std::vector<uint8_t> codes;  // of a row
  std::vector<Int4Group> groups;
};

template <class From>
void gather(const Tensor& t, int64_t begin, int count, float* out) {
  const auto* data = static_cast<const std::byte*>(t.data);
  const auto copy = [&](int64_t r, int64_t c) {
    From from;
    std::memcpy(&from, data + ((begin + r) * t.row_stride + c * t.col_stride) * int64_t(sizeof from), sizeof from);
    out[r * t.cols + c] = to_f32(from);
  };
  if (t.col_stride == 1) {
    for (int64_t r = 0; r < count; ++r)
      for (int64_t c = 0; c < t.cols; ++c) copy(r, c);
  } else {                           // the order in which a transposed file is read
    constexpr int64_t kInputs = 16;  // whose lines of the output stay in the L1 cache
    for (int64_t first = 0; first < t.cols; first += kInputs) {
      for (int64_t r = 0; r < count; ++r)
        for (int64_t c = first; c < std::min(first + kInputs, t.cols); ++c) copy(r, c);
    }
  }
}

// out (count, cols) = rows of a tensor of any type.
void gather_rows(const Tensor& t, int64_t begin, int count, float* out) {
  switch (t.type) {
    case Type::f32:
      return gather<float>(t, begin, count, out);
    case Type::f16:
      return gather<f16>(t, begin, count, out);
    case Type::bf16:
      return gather<bf16>(t, begin, count, out);
    case Type::f64:
      return gather<double>(t, begin, count, out);
    default:
      for (int64_t r = 0; r < count; ++r)
        for (int64_t c = 0; c < t.cols; ++c) out[r * t.cols + c] = at(t, begin + r, c);
  }
}

void write_scale(std::byte* panel, int output, float scale) {
  std::memcpy(panel + output * sizeof scale, &scale, sizeof scale);
}

// Writes the codes (K) of an output.
void write_int8(std::byte* panel, int output, const int8_t* codes, int K) {
  for (int k = 0; k < K; k += kFour) {
    uint8_t four[kFour] = {kBias, kBias, kBias, kBias};
    for (int i = 0; i < std::min(kFour, K - k); ++i) four[i] = static_cast<uint8_t>(codes[k + i] + kBias);
    std::memcpy(panel + int8_at(output, k), four, sizeof four);
  }
}

// Writes the codes (K, one in each byte, with zeros up to a whole group) and the groups of an output.
void write_int4(std::byte* panel, int output, const uint8_t* codes, const Int4Group* groups, int K) {
  for (int k = 0; k < K; k += kInt4Group) {
    panel[int4_group_at(output, k)] = static_cast<std::byte>(groups[k / kInt4Group].byte());
    for (int i = k; i < k + kInt4Group; i += 2 * kFour) {
      uint8_t eight[kFour];
      for (int j = 0; j < kFour; ++j) eight[j] = static_cast<uint8_t>(codes[i + j] | codes[i + kFour + j] << 4);
      std::memcpy(panel + int4_at(output, i), eight, sizeof eight);
    }
  }
}

// True if quantising values of int8 again gives these codes (K) and this scale.
bool is_quantised(float scale, const int8_t* codes, int K) {
  if (!(scale * kMostInt8 >= kLeastScaled) || scale != rounded_up_to_16_bits(scale)) return false;
  int most = 0;
  for (int k = 0; k < K; ++k) most = std::max(most, std::abs(int{codes[k]}));
  return most == kMostInt8;
}

// Takes over a row that the file holds as int8 codes. Returns false for codes of another quantiser.
bool copy_int8(const Packing& p, int64_t row, int output, std::byte* panel, Scratch& scratch) {
  const Tensor& t = p.from;
  const int K = static_cast<int>(t.cols);
  const float scale = load_element(t.scales, Type::f32, row);
  auto* codes = reinterpret_cast<int8_t*>(scratch.codes.data());
  const auto* from = static_cast<const int8_t*>(t.data) + row * t.row_stride;
  for (int64_t k = 0; k < K; ++k) codes[k] = from[k * t.col_stride];
  if (!std::isfinite(scale) || !is_quantised(scale, codes, K)) return false;
  write_int8(panel, output, codes, K);
  write_scale(panel, output, scale);
  return true;
}

// Takes over a row that the file holds as int4. Quantising its values again could choose other groups. Returns false
// for codes of another quantiser.
bool copy_int4(const Packing& p, int64_t row, int output, std::byte* panel, Scratch& scratch) {
  const Tensor& t = p.from;
  if (!is_int4_row(t, row)) return false;
  const int K = static_cast<int>(t.cols), groups = padded(K, kInt4Group) / kInt4Group;
  for (int g = 0; g < groups; ++g)
    scratch.groups[g] = Int4Group::of(static_cast<const uint8_t*>(t.groups)[row * groups + g]);
  std::fill(scratch.codes.begin(), scratch.codes.end(), uint8_t{0});
  for (int64_t k = 0; k < K; ++k) {
    const int64_t index = row * t.row_stride + k;
    scratch.codes[k] = static_cast<const uint8_t*>(t.data)[index / 2] >> (index % 2 ? 4 : 0) & 15;
  }
  write_int4(panel, output, scratch.codes.data(), scratch.groups.data(), K);
  write_scale(panel, output, load_element(t.scales, Type::f32, row));
  return true;
}

// Takes over a row that the file holds as codes of the matrix's type. Returns false if it must be quantised.
bool copy_codes(const Packing& p, int64_t row, int output, std::byte* panel, Scratch& scratch) {
  return p.type == Type::u4 ? copy_int4(p, row, output, panel, scratch) : copy_int8(p, row, output, panel, scratch);
}

// Quantises one row (K) and writes it. Returns false if it is not finite.
bool quantise_row(const Packing& p, std::span<const float> row, int output, std::byte* panel,
                  const Int8Kernels& kernels, Scratch& scratch) {
  const int K = static_cast<int>(row.size());
  float scale;
  if (p.type == Type::i8) {
    auto* codes = reinterpret_cast<int8_t*>(scratch.codes.data());
    scale = int8_scale(kernels.largest(row.data(), K));
    kernels.code(row.data(), K, inverse_scale(scale), codes);
    write_int8(panel, output, codes, K);
  } else {
    std::fill(scratch.codes.begin(), scratch.codes.end(), uint8_t{0});
    scale = quantise_int4(row, scratch.codes.data(), scratch.groups.data());
    write_int4(panel, output, scratch.codes.data(), scratch.groups.data(), K);
  }
  write_scale(panel, output, scale);
  return std::isfinite(scale);
}

// Packs rows as BF16 or FP32. Returns false if a value is not finite then.
template <class Value>
bool pack_rows(const float* rows, int count, int K, Value* panel) {
  bool finite = true;
  std::fill_n(panel, VectorLayout<Value>::panel_elements(K), Value{});
  for (int r = 0; r < count; ++r) {
    for (int k = 0; k < K; ++k) {
      const Value value = from_f32<Value>(rows[int64_t(r) * K + k]);
      finite &= std::isfinite(to_f32(value));
      panel[VectorLayout<Value>::at(r, k, K)] = value;
    }
  }
  return finite;
}

// Packs the outputs of one panel. Returns false if one of them cannot be packed.
bool pack_panel(const Packing& p, int begin, int end, const Int8Kernels& kernels, Scratch& scratch) {
  const int K = static_cast<int>(p.from.cols), count = end - begin;
  std::byte* panel = p.to + bytes_of_packed(p.type, kPanel, K) * (begin / kPanel);
  const bool quantised = p.type == Type::i8 || p.type == Type::u4;
  if (quantised && count < kPanel) {  // missing outputs are zeros
    std::memset(panel, 0, bytes_of_packed(p.type, kPanel, K));
    if (p.type == Type::i8) std::memset(panel + kScaleBytes, kBias, bytes_of_packed(p.type, kPanel, K) - kScaleBytes);
  }
  const bool codes = quantised && p.from.type == p.type;
  if (!codes) gather_rows(p.from, begin, count, scratch.rows.data());
  if (p.type == Type::bf16) return pack_rows(scratch.rows.data(), count, K, reinterpret_cast<bf16*>(panel));
  if (p.type == Type::f32) return pack_rows(scratch.rows.data(), count, K, reinterpret_cast<float*>(panel));
  bool packed = true;
  for (int r = 0; r < count; ++r) {
    float* row = &scratch.rows[size_t(r) * K];
    if (codes && copy_codes(p, begin + r, r, panel, scratch)) continue;
    if (codes) gather_rows(p.from, begin + r, 1, row);
    packed &= quantise_row(p, {row, size_t(K)}, r, panel, kernels, scratch);
  }
  return packed;
}

[[noreturn]] void refuse(const Packing& p) {
  const std::string layer = is_per_layer(p.weight) ? " of layer " + std::to_string(p.layer) : "";
  const Type type = p.type == Type::bf16 ? Type::bf16 : Type::f32;
  for (int64_t r = 0; r < p.from.rows; ++r) {
    for (int64_t c = 0; c < p.from.cols; ++c) {
      const float value = at(p.from, r, c);
      if (!std::isfinite(round_to(type, value)))
        fail("weight ", name_of(p.weight), layer, ": finite numbers that ", name_of(p.type), " holds expected, found ",
             value, " in row ", r, ", column ", c);
    }
  }
  fail("weight ", name_of(p.weight), layer, ": values whose differences FP32 holds expected, found larger ones");
}

// Stores all weights on all workers. Throws Error for the first that cannot be packed.
void pack_all(const std::vector<Packing>& packings, const Checkpoint& checkpoint, Pool& pool,
              const Int8Kernels& kernels, int most_inputs) {
  std::vector<Scratch> scratch(pool.workers(), Scratch(most_inputs));
  std::vector<std::atomic<bool>> refused(packings.size());
  read_in_batches(packings, checkpoint, pool, [&](size_t i, int worker, int workers) {
    const Packing& p = packings[i];
    const WorkRange own(static_cast<int>(p.from.rows), worker, workers, kPanel);
    if (form_of(p.weight) != Form::panels) {
      float* rows = reinterpret_cast<float*>(p.to) + own.begin * p.from.cols;
      return gather_rows(p.from, own.begin, own.end - own.begin, rows);
    }
    for (int r = own.begin; r < own.end; r += kPanel) {
      if (!pack_panel(p, r, std::min(r + kPanel, own.end), kernels, scratch[worker])) refused[i] = true;
    }
  });
  for (size_t i = 0; i < packings.size(); ++i)
    if (refused[i]) refuse(packings[i]);
}

// The type that a weight is stored as.
Type type_of(Weight weight, Codes codes, Type head) {
  if (form_of(weight) != Form::panels) return Type::f32;
  if (weight == Weight::head_w || weight == Weight::wte) return head;
  return codes == Codes::int8 ? Type::i8 : Type::u4;
}

// The name of a weight's form for Checkpoint::packed: the type, and all that the place of a value depends on.
std::string layout_of(Weight weight, Codes codes, Type head) {
  if (form_of(weight) != Form::panels) return "quantised:rows=fp32";
  const Type type = type_of(weight, codes, head);
  const std::string name = std::string("quantised:") + name_of(type) + ":panel=" + std::to_string(kPanel);
  if (type == Type::i8) return name + ":four=" + std::to_string(kFour) + ":bias=" + std::to_string(kBias);
  if (type == Type::u4) return name + ":four=" + std::to_string(kFour) + ":group=" + std::to_string(kInt4Group);
  return name + ":pair=" + std::to_string(type == Type::bf16 ? kPair<bf16> : kPair<float>);
}

// The bytes of a weight in memory. type: that of type_of.
size_t bytes_as(Weight weight, Type type, int64_t rows, int64_t cols) {
  if (form_of(weight) != Form::panels) return size_t(rows) * cols * sizeof(float);
  return bytes_of_packed(type, static_cast<int>(rows), static_cast<int>(cols));
}
size_t bytes_of_weight(Weight weight, const ModelConfig& m, Codes codes, Type head) {
  const Shape shape = shape_of(weight, m);
  return bytes_as(weight, type_of(weight, codes, head), shape.rows, shape.cols);
}

// The bytes of all weights in memory; a tied model has no head of its own. step: of those that a step reads.
size_t bytes_of_weights(const ModelConfig& m, bool tied, Codes codes, Type head, int64_t& step) {
  size_t bytes = 0;
  step = 0;
  for (int i = 0; i < kWeights; ++i) {
    const Weight weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && tied) continue;
    const size_t count = is_per_layer(weight) ? m.L : 1, one = bytes_of_weight(weight, m, codes, head);
    bytes += Arena::aligned_bytes<std::byte>(one) * count;
    if (weight != Weight::wpe && (weight != Weight::wte || tied)) step += static_cast<int64_t>(one * count);
  }
  return bytes;
}

void check_lengths(const ModelConfig& m) {
  const int most = std::max(m.C, m.F);
  if (most > kMostInputs) fail("the model: sums of up to ", kMostInputs, " products of int8 expected, found ", most);
}

// The memory of the weights: that of the checkpoint if all are packed there, else an arena.
class Memory {
 public:
  Memory(const Checkpoint& checkpoint, bool tied, Codes codes, Type head)
      : checkpoint_(checkpoint),
        codes_(codes),
        head_(head),
        arena_(0),
        bytes_(bytes_of_weights(checkpoint.config(), tied, codes, head, step_bytes_)) {
    for (int i = 0; i < kWeights; ++i) {
      const Weight weight = static_cast<Weight>(i);
      if (weight == Weight::head_w && tied) continue;
      for (int layer = 0; layer < (is_per_layer(weight) ? checkpoint.config().L : 1); ++layer)
        is_packed_ = is_packed_ && find(weight, layer);
    }
    if (!is_packed_) arena_ = Arena(bytes_);
  }

  bool is_packed() const { return is_packed_; }
  int64_t step_bytes() const { return step_bytes_; }
  Arena take_arena() { return std::move(arena_); }

  // The weight as it is packed in the checkpoint, or null.
  const std::byte* find(Weight weight, int layer) const {
    const PackedWeights found = checkpoint_.packed(weight, layer, layout(weight).c_str());
    const bool fits = found.bytes == bytes(weight) && reinterpret_cast<uintptr_t>(found.data) % 64 == 0;
    return fits ? static_cast<const std::byte*>(found.data) : nullptr;
  }

  // The place of a weight that is to be stored as `type`. Throws Error if that takes other bytes than there is room
  // for.
  std::byte* take(Weight weight, int layer, const Tensor& from, Type type) {
    const size_t written = bytes_as(weight, type, from.rows, from.cols);
    if (written != bytes(weight))
      fail("weight ", name_of(weight), ": ", bytes(weight), " bytes in memory expected, found ", written);
    std::byte* at = arena_.take<std::byte>(bytes(weight));
    layouts_.push_back(layout(weight));
    parts_.push_back({weight, layer, layouts_.back().c_str(), {at, bytes(weight)}});
    return at;
  }

  void keep() const { checkpoint_.keep_packed(parts_); }

 private:
  std::string layout(Weight weight) const { return layout_of(weight, codes_, head_); }
  size_t bytes(Weight weight) const { return bytes_of_weight(weight, checkpoint_.config(), codes_, head_); }

  const Checkpoint& checkpoint_;
  Codes codes_;
  Type head_;
  Arena arena_;
  int64_t step_bytes_ = 0;
  size_t bytes_;
  bool is_packed_ = true;
  std::deque<std::string> layouts_;
  std::vector<PackedPart> parts_;
};

}  // namespace

const std::byte* PackedMatrix::panel(int output, int K) const {
  return at + bytes_of_packed(type, kPanel, K) * (output / kPanel);
}

void PackedMatrix::read(int output, int K, float* out) const {
  const std::byte* own = panel(output, K);
  const int o = output % kPanel;
  if (type == Type::bf16) {
    for (int k = 0; k < K; ++k) out[k] = to_f32(reinterpret_cast<const bf16*>(own)[VectorLayout<bf16>::at(o, k, K)]);
  } else if (type == Type::f32) {
    for (int k = 0; k < K; ++k) out[k] = reinterpret_cast<const float*>(own)[VectorLayout<float>::at(o, k, K)];
  } else {
    float scale;
    std::memcpy(&scale, own + o * sizeof scale, sizeof scale);
    for (int k = 0; k < K; ++k) {
      const int code = type == Type::i8 ? static_cast<int>(own[int8_at(o, k)]) - kBias
                                        : int4_weight(Int4Group::of(static_cast<uint8_t>(own[int4_group_at(o, k)])),
                                                      static_cast<int>(own[int4_at(o, k)]) >> int4_shift(k) & 15);
      out[k] = scale * static_cast<float>(code);
    }
  }
}

QuantisedWeights load_quantised(const Checkpoint& checkpoint, Pool& pool, const Int8Kernels& kernels, Codes codes,
                                Type head) {
  const ModelConfig& m = checkpoint.config();
  check_lengths(m);
  const bool tied = checkpoint.tensor(Weight::head_w, 0).data == checkpoint.tensor(Weight::wte, 0).data;
  Memory memory(checkpoint, tied, codes, head);
  std::vector<Packing> packings;
  const auto place = [&](Weight weight, int layer) -> const std::byte* {
    if (memory.is_packed()) return memory.find(weight, layer);
    const Tensor from = checkpoint.tensor(weight, layer);
    const Type type = type_of(weight, codes, head);
    packings.push_back({weight, layer, from, type, memory.take(weight, layer, from, type)});
    return packings.back().to;
  };
  const auto matrix = [&](Weight weight, int layer = 0) -> PackedMatrix {
    return {type_of(weight, codes, head), place(weight, layer)};
  };
  const auto plain = [&](Weight weight, int layer = 0) { return reinterpret_cast<const float*>(place(weight, layer)); };
  QuantisedWeights w{m, {}, {}, {}, Arena(0), memory.step_bytes()};
  w.embedding = {matrix(Weight::wte), plain(Weight::wpe)};
  for (int l = 0; l < m.L; ++l) {
    w.layers.push_back({plain(Weight::ln1_w, l), plain(Weight::ln1_b, l), plain(Weight::qkv_b, l),
                        plain(Weight::proj_b, l), plain(Weight::ln2_w, l), plain(Weight::ln2_b, l),
                        plain(Weight::up_b, l), plain(Weight::down_b, l), matrix(Weight::qkv_w, l),
                        matrix(Weight::proj_w, l), matrix(Weight::up_w, l), matrix(Weight::down_w, l)});
  }
  w.head = {plain(Weight::lnf_w), plain(Weight::lnf_b), tied ? w.embedding.wte : matrix(Weight::head_w)};
  w.arena = memory.take_arena();
  pack_all(packings, checkpoint, pool, kernels, std::max(m.C, m.F));
  if (!memory.is_packed()) memory.keep();
  return w;
}

}  // namespace gpt2run::cpu
