// Gemm: matrix products of many rows. gemm.cu implements it with cuBLASLt; the executor of the tests computes plain
// products instead.
#pragma once
#include <cstdint>
#include <memory>

#include "gpt2run/loader.hpp"

namespace gpt2run::cuda {

// One product: out (rows, outputs) = in (rows, inputs) W^T, plus a bias and the old values of out if the fields say so.
// All matrices are row-major and in device memory. Products and sums are FP32 without TF32, and the sums are not split
// along the inputs. What the library does between a sum and its rounding to out_type is not documented. One rounding,
// and the tanh form of GELU, are expected.
struct GemmProblem {
  Type type;                 // of in and weights
  const void *in, *weights;  // (rows, inputs), W (outputs, inputs); 16-byte aligned, as is every row
  const void* bias;          // (outputs) in out_type, aligned as an allocation is; or nullptr
  void* out;                 // (rows, out_stride) in out_type; 16-byte aligned, as is every row
  int rows, outputs, inputs;
  int64_t out_stride;
  bool adds;                  // adds to the old values of out
  Type out_type = Type::f32;  // or the same as `type`
  bool gelu = false;          // GELU of the sum with the bias; never together with `adds`
};

// One thread at a time.
class Gemm {
 public:
  virtual ~Gemm() = default;

  // Enqueues the product. Equal shapes with equal numbers of rows have the same order of every sum. The first call for
  // a shape and a number of rows chooses an algorithm. Later ones neither allocate nor choose, so they can be captured
  // in a graph. Throws Error.
  virtual void multiply(const GemmProblem& product, void* stream) = 0;
};

// Opens the library for the calling thread's device, and allocates a workspace for one stream. file: nullptr is the
// library of the CUDA version that this was built with. Throws Error with the file's name.
std::unique_ptr<Gemm> open_gemm(const char* file = nullptr);

}  // namespace gpt2run::cuda
