// A model's weights as the CPU kernels read them. Matrices are packed (packed.hpp) and stored in the type, except for
// wpe, which is row-major. Vectors (biases, layernorm) are rounded to the type and stored as FP32. All are in one piece
// of memory, or all where the checkpoint has them packed.
#pragma once
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "../common/overflow.hpp"
#include "packed.hpp"
#include "pool.hpp"

namespace gpt2run::cpu {

// A bump allocator of uninitialised memory, in huge pages where the system has them.
class Arena {
 public:
  explicit Arena(size_t bytes);  // 0: no memory

  // Returns `count` elements, 64-byte aligned. The aligned_bytes of all calls together must not exceed those that the
  // constructor was given.
  template <class T>
  T* take(size_t count) {
    T* at = reinterpret_cast<T*>(memory_.get() + used_);
    used_ += aligned_bytes<T>(count);
    return at;
  }
  template <class T>
  static constexpr size_t aligned_bytes(size_t count) {
    return (count * sizeof(T) + 63) / 64 * 64;
  }

 private:
  struct Free {
    void operator()(std::byte* at) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t used_ = 0;
};

// How a weight lies in memory: row by row, or in the panels of a packed layout. A matrix has panels also where it has
// one column.
enum class Form : uint8_t { vector, rows, panels };
constexpr Form form_of(Weight weight) {
  const std::string_view name = name_of(weight);
  if (name.starts_with("ln") || name.ends_with("_b")) return Form::vector;
  return weight == Weight::wpe ? Form::rows : Form::panels;
}

template <class Value>
struct Weights {
  struct Embedding {
    const Value *wte, *wpe;  // (V, C) packed, (T, C)
  };
  struct Layer {
    const float *ln1_w, *ln1_b, *qkv_b, *proj_b, *ln2_w, *ln2_b, *up_b, *down_b;
    const Value *qkv_w, *proj_w, *up_w, *down_w;
  };
  struct Head {
    const float *lnf_w, *lnf_b;
    const Value* w;  // (V, C) packed: the embedding's wte if tied, else its own
  };
  ModelConfig config;
  Embedding embedding;
  std::vector<Layer> layers;
  Head head;
  Arena arena;  // none where the weights are the checkpoint's
};

// Uses the weights where the checkpoint has all of them packed, or else converts every weight, on all workers,
// to matrices of a layout of packed.hpp, and hands them to Checkpoint::keep_packed if none of them overflowed.
// overflow: what to do with weights beyond the type. Throws Error for that, if memory is short, and as
// Checkpoint::tensor does.
template <class Value, class Layout = VectorLayout<Value>>
Weights<Value> load_weights(const Checkpoint& checkpoint, Pool& pool, Overflow overflow);

extern template Weights<float> load_weights<float, VectorLayout<float>>(const Checkpoint&, Pool&, Overflow);
extern template Weights<f16> load_weights<f16, VectorLayout<f16>>(const Checkpoint&, Pool&, Overflow);
extern template Weights<bf16> load_weights<bf16, VectorLayout<bf16>>(const Checkpoint&, Pool&, Overflow);
extern template Weights<f16> load_weights<f16, TileLayout>(const Checkpoint&, Pool&, Overflow);
extern template Weights<bf16> load_weights<bf16, TileLayout>(const Checkpoint&, Pool&, Overflow);

}  // namespace gpt2run::cpu
