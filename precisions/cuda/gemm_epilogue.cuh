// The kernels before and after cuBLASLt's products: layernorm before, and afterwards the epilogue that passes every sum
// to a sink. The sinks add the bias, apply GELU and round, unless Epilogue::fused leaves that to the library, which
// documents neither the precision of its epilogues nor the form of its GELU. q, k and v are written to the cache here
// either way.
#pragma once
#include "product.cuh"

namespace gpt2run::cuda {

// Layernorm of one row of `source` per block, from row `first` on. out (rows, width) has the same bits as the inputs of
// the decode kernels.
template <class Value>
GPT2RUN_KERNEL(kProductThreads)
norm_kernel(NormedRows<Value> source, int first, Value* out) {
  Shared shared(shared_memory());
  const Value* in[1];
  source.prefetch_weights();
  wait_for_previous_kernel();
  source.template stage<1>(first + block_x(), first + block_x() + 1, shared, in);
  for (int c = thread_id(); c < source.width; c += kProductThreads)
    out[int64_t{block_x()} * source.width + c] = in[0][c];
}

template <class Value>
void launch_norm(const NormedRows<Value>& source, const RowRange& rows, Value* out, const KernelStream& stream) {
  launch(
      {"norm", {rows.count, 1, 1}, kProductThreads, NormedRows<Value>::template shared_bytes<1>(source.width), stream},
      norm_kernel<Value>, source, rows.first, out);
}

inline constexpr int kFinishThreads = 256;

// Calls sink(first + row, output, values[row][output]), with one thread per value.
template <class Sink, class Value>
GPT2RUN_KERNEL(kFinishThreads)
finish_kernel(const Value* values, int64_t stride, int rows, int outputs, int first, Sink sink) {
  const int64_t i = int64_t{block_x()} * kFinishThreads + thread_id();
  const int row = static_cast<int>(i / outputs), output = static_cast<int>(i % outputs);
  wait_for_previous_kernel();
  if (row < rows) sink(first + row, output, values[row * stride + output]);
}

template <class Sink, class Value>
void launch_finish(const char* name, const Value* values, int64_t stride, const RowRange& rows, int outputs,
                   const Sink& sink, const KernelStream& stream) {
  const auto blocks = static_cast<int>((int64_t{rows.count} * outputs + kFinishThreads - 1) / kFinishThreads);
  launch({name, {blocks, 1, 1}, kFinishThreads, 0, stream}, finish_kernel<Sink, Value>, values, stride, rows.count,
         outputs, rows.first, sink);
}

}  // namespace gpt2run::cuda
