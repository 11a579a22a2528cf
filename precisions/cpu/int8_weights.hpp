// The weights of cpu-int8 and cpu-int4 in memory. Matrices are quantised and packed (int8_packed.hpp); the head may be
// BF16 or FP32 instead (packed.hpp). Vectors and wpe are FP32. All are in one piece of memory, or all where the
// checkpoint has them packed.
#pragma once
#include <vector>

#include "int8_kernels.hpp"
#include "weights.hpp"

namespace gpt2run::cpu {

// A matrix in the packed layout of its type: i8 or u4 (int8_packed.hpp), bf16 or f32 (packed.hpp).
struct PackedMatrix {
  Type type;
  const std::byte* at;

  bool is_quantised() const { return type == Type::i8 || type == Type::u4; }
  Codes codes() const { return type == Type::u4 ? Codes::int4 : Codes::int8; }

  // The panel that begins with this output, a multiple of kPanel. K: inputs.
  const std::byte* panel(int output, int K) const;

  // out (K) = the values of one output's weights.
  void read(int output, int K, float* out) const;
};

struct QuantisedWeights {
  struct Embedding {
    PackedMatrix wte;  // (V, C): the head's matrix if tied, else one of the same type
    const float* wpe;  // (T, C)
  };
  struct Layer {
    const float *ln1_w, *ln1_b, *qkv_b, *proj_b, *ln2_w, *ln2_b, *up_b, *down_b;
    PackedMatrix qkv_w, proj_w, up_w, down_w;
  };
  struct Head {
    const float *lnf_w, *lnf_b;
    PackedMatrix w;  // (V, C)
  };
  ModelConfig config;
  Embedding embedding;
  std::vector<Layer> layers;
  Head head;
  Arena arena;
  int64_t step_bytes;  // Traits::step_bytes
};

// Uses the weights where the checkpoint has all of them packed, or else quantises every matrix on all workers and hands
// them to Checkpoint::keep_packed: those of the layers to `codes`, head and embedding to `head` (i8, bf16 or
// f32). Throws Error for a matrix with values that its type does not hold, for sums that are too long, if memory is
// short, and as Checkpoint::tensor does.
QuantisedWeights load_quantised(const Checkpoint& checkpoint, Pool& pool, const Int8Kernels& kernels, Codes codes,
                                Type head);

}  // namespace gpt2run::cpu
