// Products of many rows at once, by cuBLASLt. gemm.cu calls the library; the tests' executor has a plain product in its
// place.
#pragma once
#include <cstdint>
#include <memory>

#include "gpt2run/loader.hpp"

namespace gpt2run::cuda {

// out (rows, outputs) = in (rows, inputs) W^T, plus bias and out's own values where asked for; row-major, in device
// memory. Products and sums in FP32, without TF32, and not split along the inputs. What is then done to a sum before it
// is rounded to out_type is the library's: one rounding and GELU in the tanh form are expected of it, nothing promises
// them.
struct ManyRows {
  Type type;                 // of in and weights
  const void *in, *weights;  // (rows, inputs), W (outputs, inputs); 16-byte aligned, as is every row
  const void* bias;          // (outputs) in out_type, aligned as an allocation; or nullptr
  void* out;                 // (rows, out_stride) in out_type; 16-byte aligned, as is every row
  int rows, outputs, inputs;
  int64_t out_stride;
  bool adds;                  // to what is in out
  Type out_type = Type::f32;  // or `type`
  bool gelu = false;          // of the sum with the bias; never with `adds`
};

// One thread at a time.
class Blaslt {
 public:
  virtual ~Blaslt() = default;

  // Enqueues it. The same shape and number of rows: the same order of every sum. After the first such call it neither
  // allocates nor asks the library for a plan, so that it may be recorded. Throws Error.
  virtual void multiply(const ManyRows& product, void* stream) = 0;
};

// Opens the library for the calling thread's device, and memory for one stream. file: nullptr is the one of the CUDA
// version this was built with. Throws Error naming the file.
std::unique_ptr<Blaslt> open_blaslt(const char* file = nullptr);

}  // namespace gpt2run::cuda
