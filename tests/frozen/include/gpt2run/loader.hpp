// Loaders: they open a model's files as a checkpoint of tensors whose shapes have been checked. Shapes: L layers, H
// heads, C channels, F width of the MLP, V vocabulary without padding, T context.
#pragma once
#include <memory>
#include <span>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

// The storage type of an element. Elements of i8 and u4 are quantised; the tensor's scales turn them into numbers.
enum class Type : uint8_t { f32, f16, bf16, f64, i8, u4 };
inline constexpr int kTypeCount = 6;

constexpr const char* name_of(Type type) {
  constexpr const char* names[kTypeCount] = {"fp32", "fp16", "bf16", "fp64", "int8", "int4"};
  return static_cast<size_t>(type) < kTypeCount ? names[static_cast<size_t>(type)] : "unknown type";
}

// The activation function of the MLP. `activated` in sdk/reference.hpp has the formulas.
enum class Activation : uint8_t { gelu_tanh, gelu_erf, relu, silu, tanh };
inline constexpr int kActivationCount = 5;

constexpr const char* name_of(Activation activation) {
  constexpr const char* names[kActivationCount] = {"gelu_tanh", "gelu_erf", "relu", "silu", "tanh"};
  return static_cast<size_t>(activation) < kActivationCount ? names[static_cast<size_t>(activation)]
                                                            : "unknown activation";
}

inline constexpr int kMostEnds = 8;  // ids that may end a text

struct ModelConfig {
  int32_t L, H, C, F, V, T;
  int32_t end_of_text;                                               // token id, -1: the model has none
  float epsilon;                                                     // added to the variance in every layernorm
  int32_t other_ends[kMostEnds - 1] = {-1, -1, -1, -1, -1, -1, -1};  // further ids that end a text, -1: none
  int32_t start_of_text = -1;                                        // stands in for an empty prompt, -1: end_of_text
  Activation activation = Activation::gelu_tanh;
  bool scale_by_layer = false;  // attention scores of layer l are also divided by l + 1
  bool tied_head = false;       // head_w is the tensor of wte
};

// True if choosing this token ends the text.
constexpr bool ends_text(const ModelConfig& m, int32_t id) {
  if (id < 0) return false;
  for (const int32_t end : m.other_ends)
    if (id == end) return true;
  return id == m.end_of_text;
}

enum class Weight : uint8_t {
  wte,     // (V, C) token embedding
  wpe,     // (T, C) position embedding
  ln1_w,   // (C)
  ln1_b,   // (C)
  qkv_w,   // (3C, C): rows q, then k, then v
  qkv_b,   // (3C)
  proj_w,  // (C, C)
  proj_b,  // (C)
  ln2_w,   // (C)
  ln2_b,   // (C)
  up_w,    // (F, C)
  up_b,    // (F)
  down_w,  // (C, F)
  down_b,  // (C)
  lnf_w,   // (C)
  lnf_b,   // (C)
  head_w,  // (V, C); tied models: the tensor of wte, same pointer
};
inline constexpr int kWeights = 17;

constexpr const char* name_of(Weight weight) {
  constexpr const char* names[kWeights] = {"wte",    "wpe",    "ln1_w", "ln1_b", "qkv_w", "qkv_b",
                                           "proj_w", "proj_b", "ln2_w", "ln2_b", "up_w",  "up_b",
                                           "down_w", "down_b", "lnf_w", "lnf_b", "head_w"};
  return names[static_cast<size_t>(weight)];
}

// True for the twelve weights that each layer has; all others take layer 0.
constexpr bool is_per_layer(Weight weight) { return weight >= Weight::ln1_w && weight <= Weight::down_b; }

// True for the weights with rows of inputs. The others, biases and gains, are vectors.
constexpr bool is_matrix(Weight weight) {
  switch (weight) {
    case Weight::wte:
    case Weight::wpe:
    case Weight::qkv_w:
    case Weight::proj_w:
    case Weight::up_w:
    case Weight::down_w:
    case Weight::head_w:
      return true;
    default:
      return false;
  }
}

constexpr bool is_vector(Weight weight) { return !is_matrix(weight); }

// True for the matrices of products in the layers.
constexpr bool is_layer_matrix(Weight weight) { return is_matrix(weight) && is_per_layer(weight); }

struct Shape {
  int64_t rows, cols;
};

// The shape of a weight as (out, in); vectors have cols = 1.
constexpr Shape shape_of(Weight weight, const ModelConfig& m) {
  const int64_t qkv = int64_t{3} * m.C;
  const Shape shapes[kWeights] = {{m.V, m.C}, {m.T, m.C}, {m.C, 1}, {m.C, 1}, {qkv, m.C}, {qkv, 1},
                                  {m.C, m.C}, {m.C, 1},   {m.C, 1}, {m.C, 1}, {m.F, m.C}, {m.F, 1},
                                  {m.C, m.F}, {m.C, 1},   {m.C, 1}, {m.C, 1}, {m.V, m.C}};
  return shapes[static_cast<size_t>(weight)];
}

// The number of weight elements that one step reads, whatever its number of rows: all except wpe, and except wte unless
// it is also the head, because only single rows of those are read.
constexpr int64_t step_elements(const ModelConfig& m) {
  int64_t count = 0;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    if (weight == Weight::wte || weight == Weight::wpe) continue;
    const Shape shape = shape_of(weight, m);
    count += shape.rows * shape.cols * (is_per_layer(weight) ? m.L : 1);
  }
  return count;
}

// A view of one weight in the file's own layout, with strides in elements; nothing is copied. Rows of a padded
// vocabulary are not part of it. data may be unaligned, as in safetensors files, so read it with memcpy or unaligned
// loads.
//
// Quantised types are exact in FP32, and sdk/float16.hpp reads them:
//   i8: value = scales[row] x q.
//   u4: value = scales[row] x ((g >> 4) + 1) x (q - (g & 15)), where g is the byte of the element's group: its low four
//       bits are the zero point, the high ones the factor of the scale less 1. Two elements share a byte, the even
//       column in the low half; col_stride is 1.
struct Tensor {
  const void* data;
  Type type;
  int64_t rows, cols, row_stride, col_stride;
  const void* scales = nullptr;  // i8, u4: (rows) FP32, may be unaligned
  const void* groups = nullptr;  // u4: (rows, cols / group rounded up) bytes
  int32_t group = 0;             // u4: columns of a group
};

// A weight in the element order that the kernels of a named layout read.
struct PackedWeights {
  const void* data;  // null: the files hold none
  size_t bytes;
};

// A weight that a session has packed.
struct PackedPart {
  Weight weight;
  int32_t layer;
  const char* layout;
  PackedWeights packed;
};

// An open model. It owns the memory of its tensors: usually a mapped file, or tensors made on first use and kept.
// tensor() may be called from several threads.
struct Checkpoint {
  virtual ~Checkpoint() = default;
  virtual const ModelConfig& config() const = 0;
  // Returns a weight whose shape matches config(). Throws Error with file, tensor, what was expected and what was
  // found.
  virtual Tensor tensor(Weight, int layer) const = 0;
  // Returns the same weight packed for the kernels of `layout`, if the files hold it so, at a multiple of 64 bytes.
  // layout: a name that a precision defines, with the contract that the values are rounded to. The memory stays as long
  // as the checkpoint, which outlives its sessions.
  virtual PackedWeights packed(Weight, int layer, const char* layout) const {
    (void)layer, (void)layout;
    return {nullptr, 0};
  }
  // Hands over all weights of a session, packed from this checkpoint without an error, so that packed() may return them
  // another time. The memory is valid during the call. Nothing is kept by default. Does not throw.
  virtual void keep_packed(std::span<const PackedPart> parts) const { (void)parts; }
  // The caller has read this tensor and will hardly read it again, so that memory of a mapped file may be given back.
  // The tensor stays readable. From any thread. Does not throw.
  virtual void release(Weight, int layer) const { (void)layer; }
  // The path for Tokenizer::open, or nullptr if the model has no tokenizer and only token ids can be used.
  virtual const char* tokenizer() const = 0;
};

struct Loader {
  virtual ~Loader() = default;
  // Returns 0 if the path is not of this format. Looks at file names and first bytes only.
  virtual int probe(const char* path) const = 0;
  // Throws Error.
  virtual std::unique_ptr<Checkpoint> open(const char* path) = 0;
};

}  // namespace gpt2run
