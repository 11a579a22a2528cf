// Weight loaders: bytes on disk become checked tensors. Shapes: L layers, H heads, C channels, F width of the MLP, V
// real vocabulary, T context.
#pragma once
#include <memory>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

enum class Type : uint8_t { f32, f16, bf16 };

struct ModelConfig {
  int32_t L, H, C, F, V, T;
  int32_t end_of_text;  // token id, -1: the model has none
  float epsilon;        // added to the variance in every layernorm
};

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

// True for the twelve weights that every layer has of its own; the others are asked for with layer 0.
constexpr bool is_per_layer(Weight weight) { return weight >= Weight::ln1_w && weight <= Weight::down_b; }

struct Shape {
  int64_t rows, cols;
};

// (out, in) of a weight; vectors have cols = 1.
constexpr Shape shape_of(Weight weight, const ModelConfig& m) {
  const Shape shapes[kWeights] = {{m.V, m.C}, {m.T, m.C}, {m.C, 1}, {m.C, 1}, {3 * m.C, m.C}, {3 * m.C, 1},
                                  {m.C, m.C}, {m.C, 1},   {m.C, 1}, {m.C, 1}, {m.F, m.C},     {m.F, 1},
                                  {m.C, m.F}, {m.C, 1},   {m.C, 1}, {m.C, 1}, {m.V, m.C}};
  return shapes[static_cast<size_t>(weight)];
}

// A view of a weight where it lies, strides in elements: a file's own layout is never copied to be described. rows =
// the real vocabulary, padding never shown. data may be unaligned (safetensors): memcpy or unaligned loads.
struct Tensor {
  const void* data;
  Type type;
  int64_t rows, cols, row_stride, col_stride;
};

// Owns the bytes (maps the file; synthetic: made on first use, kept). tensor() may be called from several threads.
struct Checkpoint {
  virtual ~Checkpoint() = default;
  virtual const ModelConfig& config() const = 0;
  virtual Tensor tensor(Weight,
                        int layer) const = 0;  // checked against config; throws Error with file, name, expected, found
  virtual const char* tokenizer()
      const = 0;  // path that Tokenizer::open takes, or nullptr: then only token ids can be used
};

struct Loader {
  virtual ~Loader() = default;
  virtual int probe(const char* path) const = 0;  // 0: not mine; reads no more than file names and first bytes
  virtual std::unique_ptr<Checkpoint> open(const char* path) = 0;  // throws Error
};

}  // namespace gpt2run
