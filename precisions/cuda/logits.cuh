// The head's product: the logits of few rows. It has the bits of product.cuh, but a block does not end with its first
// outputs. There are as many blocks as the device can run at once, and each walks over the vocabulary: the layernorm is
// computed once by each, and the copies of the weights of the next outputs are under way while an output's sum is added
// up and written.
#pragma once
#include "product.cuh"

namespace gpt2run::cuda {

struct LogitSink {
  float *logits, *raw;  // (logit_rows, stride); raw may be nullptr
  int64_t stride;

  struct Read {};
  GPT2RUN_DEVICE Read read(int, int) const { return {}; }
  GPT2RUN_DEVICE void put(int row, int output, float sum, const Read&) const {
    logits[row * stride + output] = sum;
    if (raw) raw[row * stride + output] = sum;
  }
};

inline constexpr int kLogitOutputs = kProductWarps * kWarpOutputs;  // that a block computes at a time

// Grid: (any number of blocks, blocks of kRows rows). Block x computes the outputs from kLogitOutputs * x on, then
// those that follow the last block's, and so on.
template <int kRows, class Value, class Source>
GPT2RUN_KERNEL(kProductThreads, kProductBlocks)
logits_kernel(DeviceMatrix<Value> matrix, Source source, LogitSink sink, int begin, int end) {
  Shared shared(shared_memory());
  const int row = begin + block_y() * kRows, lane = thread_id() % kLanes, step = blocks_x() * kLogitOutputs;
  int output = block_x() * kLogitOutputs + thread_id() / kLanes;
  const int outputs = output < matrix.outputs ? (matrix.outputs - 1 - output) / step + 1 : 0;
  WeightStream<kRows, 1, Value, true> weights(matrix.data + int64_t{output} * matrix.stride, matrix.stride, 0,
                                              shared.template take<Raw>(kRingLines * kProductThreads), outputs,
                                              int64_t{step} * matrix.stride);
  source.prefetch_weights();
  wait_for_previous_kernel();

  const Value* in[kRows];
  source.template stage<kRows>(row, end, shared, in);
  for (int first = block_x() * kLogitOutputs; first < matrix.outputs; first += step, output += step) {
    float sums[kRows];
    weights.multiply(in, sums);
    // Lane r of an output's eight lanes puts the sum of row r.
    float sum = sums[0];
    GPT2RUN_UNROLL
    for (int r = 1; r < kRows; ++r) sum = lane == r ? sums[r] : sum;
    if (lane < kRows && row + lane < end && output < matrix.outputs) sink.put(row + lane, output, sum, {});
  }
}

template <int kRows, class Value, class Source>
void launch_logits(const DeviceMatrix<Value>& matrix, const Source& source, const LogitSink& sink, const RowRange& rows,
                   const KernelStream& stream) {
  prepare_rows<kRows>(source, rows, stream);
  LaunchConfig config = {"norm_logits",
                         {1, divided_up(rows.count, kRows), 1},
                         kProductThreads,
                         product_bytes<kRows, 1, Source>(matrix.stride),
                         stream};
  const auto kernel = logits_kernel<kRows, Value, Source>;
  config.blocks[0] = std::min(divided_up(matrix.outputs, kLogitOutputs),
                              std::max(1, blocks_at_once(config, kernel) / config.blocks[1]));
  launch(config, kernel, matrix, source, sink, rows.first, rows.first + rows.count);
}

// Multiplies as many rows at once as there are and as fit in shared memory.
template <class Value, class Source>
void logits(const DeviceMatrix<Value>& matrix, const Source& source, const LogitSink& sink, const RowRange& rows,
            const KernelStream& stream) {
  with_rows_at_once<1, Source>(matrix.stride, rows, [&]<int kRows>(std::integral_constant<int, kRows>) {
    launch_logits<kRows>(matrix, source, sink, rows, stream);
  });
}

}  // namespace gpt2run::cuda
