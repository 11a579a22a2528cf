// The kernels of cpu-int8 and cpu-int4 that work on integers, as one table for each instruction set. int8_kernels.cpp
// is compiled once for each set, as kernels.cpp is. All sets give the same bits, because sums of integers have no
// order. The rules for kernels are those of kernels.hpp. Everything else that these precisions compute, such as
// layernorm and attention, is FP32 and done by the kernels of a set of kernels.hpp.
#pragma once
#include <string_view>

#include "int8_packed.hpp"
#include "kernels.hpp"

namespace gpt2run::cpu {

// avxvnni and avx512vnni have an instruction that adds four products of int8. amx is avx512vnni with tiles, which
// multiply many rows.
enum class Int8Isa : uint8_t { portable, avx2, avxvnni, avx512vnni, amx };
inline constexpr const char* kInt8IsaNames[] = {"portable", "avx2", "avxvnni", "avx512vnni", "amx"};
inline constexpr int kInt8Isas = 5;

struct Int8Kernels {
  Int8Isa isa;  // the set that the kernels were compiled for

  // The largest |x| of a row as largest_magnitude (sdk/quantise.hpp) returns it.
  uint32_t (*largest)(const float* row, int n);

  // codes (n) = int8_code of row (n) with this inverse of the scale; returns the sum of the codes.
  int32_t (*code)(const float* row, int n, float inverse, int8_t* codes);

  // y (rows, outputs) = x (rows, K) times w, without bias, where w points to the first panel of the outputs. Indexed by
  // Codes. K: up to kMostInputs. Rows of y are y_stride apart. workspace: int8_workspace bytes.
  void (*linear[2])(const CodedRows& x, int rows, const std::byte* w, int K, int outputs, float* y, int64_t y_stride,
                    void* workspace);

  // out (K, kPanel) = the values of a panel, scale x code, which are exact. Indexed by Codes.
  void (*values[2])(const std::byte* panel, int K, float* out);

  // The KV cache in int8, as FP32. D: of a head.
  //   keys: out (D, kPanel) = codes (D, kPanel) x scales (kPanel), for a panel of positions.
  //   values: out (count, D) = codes (count, D) x scales (count).
  void (*cached_keys)(const int8_t* codes, const float* scales, int D, float* out);
  void (*cached_values)(const int8_t* codes, const float* scales, int count, int D, float* out);
};

namespace portable {
const Int8Kernels& int8_kernels();
}
namespace avx2 {
const Int8Kernels& int8_kernels();
}
namespace avxvnni {
const Int8Kernels& int8_kernels();
}
namespace avx512vnni {
const Int8Kernels& int8_kernels();
}
namespace amx {
const Int8Kernels& int8_kernels();
}

// The set of kernels.hpp that does the rest of the work.
constexpr Isa floats_of(Int8Isa isa) {
  if (isa == Int8Isa::portable) return Isa::portable;
  return isa == Int8Isa::avx512vnni || isa == Int8Isa::amx ? Isa::avx512 : Isa::avx2;
}

// Bytes of workspace for the products of a set, of up to `rows` rows and K inputs.
constexpr size_t int8_workspace(Int8Isa isa, int rows, int K) {
  const size_t tiles = isa == Int8Isa::amx ? int8_tile_workspace(rows, K) : 0;
  return tiles < kInt8Workspace ? kInt8Workspace : tiles;
}

// True if this build has the kernels and the processor can run them. What the system forbids does not count.
bool runs(Int8Isa, const Processor& processor);
bool runs(Int8Isa);

// Returns a set by its name. `auto` is the last set that the processor runs. Throws Error for an unknown name, and for
// a set that the processor does not run.
Int8Isa choose_int8_isa(std::string_view name, const Processor& processor);
Int8Isa choose_int8_isa(std::string_view name);

const Int8Kernels& kernels_of(Int8Isa);

}  // namespace gpt2run::cpu
