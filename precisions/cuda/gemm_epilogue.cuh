// The kernels around cuBLASLt's products: layernorm before them, and after them whatever a sink does with every sum.
// Bias, GELU and rounding are done here, unless Epilogue::fused leaves them to the library, which documents neither the
// precision of its epilogues nor the form of their GELU. q, k and v are written to the cache here in either case.
#pragma once
#include "product.cuh"

namespace gpt2run::cuda {

// Each block takes a row of `source`, from row `first` on. out (rows, width) gets the same bits as the inputs of the
// decode kernels.
template <class Value>
GPT2RUN_KERNEL(kProductThreads)
norm_kernel(NormedRows<Value> source, int first, Value* out) {
  Shared shared(shared_memory());
  const Value* in[1];
  source.template stage<1>(first + block_x(), first + block_x() + 1, shared, in);
  for (int c = thread_id(); c < source.width; c += kProductThreads)
    out[int64_t{block_x()} * source.width + c] = in[0][c];
}

template <class Value>
void launch_norm(const NormedRows<Value>& source, const RowRange& rows, Value* out, void* stream) {
  launch(
      {"norm", {rows.count, 1, 1}, kProductThreads, NormedRows<Value>::template shared_bytes<1>(source.width), stream},
      norm_kernel<Value>, source, rows.first, out);
}

inline constexpr int kFinishThreads = 256;

// Calls sink(first + row, output, values[row][output]), one thread for each.
template <class Sink, class Value>
GPT2RUN_KERNEL(kFinishThreads)
finish_kernel(const Value* values, int64_t stride, int rows, int outputs, int first, Sink sink) {
  const int64_t i = int64_t{block_x()} * kFinishThreads + thread_id();
  const int row = static_cast<int>(i / outputs), output = static_cast<int>(i % outputs);
  if (row < rows) sink(first + row, output, values[row * stride + output]);
}

template <class Sink, class Value>
void launch_finish(const char* name, const Value* values, int64_t stride, const RowRange& rows, int outputs,
                   const Sink& sink, void* stream) {
  const auto blocks = static_cast<int>((int64_t{rows.count} * outputs + kFinishThreads - 1) / kFinishThreads);
  launch({name, {blocks, 1, 1}, kFinishThreads, 0, stream}, finish_kernel<Sink, Value>, values, stride, rows.count,
         outputs, rows.first, sink);
}

}  // namespace gpt2run::cuda
