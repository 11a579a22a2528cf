// Matrix products of many rows, by cuBLASLt. gemm.cu calls the library; the executor of the tests computes plain
// products instead.
#pragma once
#include <cstdint>
#include <memory>

#include "gpt2run/loader.hpp"

namespace gpt2run::cuda {

// out (rows, outputs) = in (rows, inputs) W^T, plus a bias and the old values of out where the fields say so.
// Everything is row-major and in device memory. Products and sums are FP32, without TF32, and are not split along the
// inputs. What happens between a sum and its rounding to out_type is up to the library: one rounding and the tanh form
// of GELU are expected, but it promises neither.
struct GemmProblem {
  Type type;                 // of in and weights
  const void *in, *weights;  // (rows, inputs), W (outputs, inputs); 16-byte aligned, as is every row
  const void* bias;          // (outputs) in out_type, aligned as an allocation; or nullptr
  void* out;                 // (rows, out_stride) in out_type; 16-byte aligned, as is every row
  int rows, outputs, inputs;
  int64_t out_stride;
  bool adds;                  // to the old values of out
  Type out_type = Type::f32;  // or `type`
  bool gelu = false;          // of the sum with the bias; never with `adds`
};

// One thread at a time.
class Gemm {
 public:
  virtual ~Gemm() = default;

  // Enqueues the product. Equal shapes with equal numbers of rows have the same order of every sum. The first call of a
  // shape and number of rows chooses an algorithm; later ones neither allocate nor choose, so that they can be
  // recorded. Throws Error.
  virtual void multiply(const GemmProblem& product, void* stream) = 0;
};

// Opens the library for the calling thread's device and allocates a workspace for one stream. file: nullptr stands for
// the library of the CUDA version that this was built with. Throws Error naming the file.
std::unique_ptr<Gemm> open_gemm(const char* file = nullptr);

}  // namespace gpt2run::cuda
