// Rows times a weight matrix: eight lanes take an output, 16 bytes a lane at a time, up to eight rows at once. The
// order of every sum is a function of the weight's shape: rows beside it and the number of rows at once change nothing.
#pragma once
#include "plan.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kProductThreads = 128;
inline constexpr int kProductWarps = kProductThreads / kWarp;
inline constexpr int kWarpOutputs = kWarp / kLanes;
inline constexpr int kSums = 4;  // of a lane, side by side

// Inputs as they lie in device memory: (R, stride).
template <class Value>
struct PlainRows {
  const Value* x;
  int stride;

  template <int kRows>
  GPT2RUN_DEVICE void stage(int first, int end, Shared&, const Value* (&in)[kRows]) const {
    for (int r = 0; r < kRows; ++r) in[r] = x + int64_t{min_of(first + r, end - 1)} * stride;
  }
  template <int kRows>
  static constexpr size_t shared_bytes(int) {
    return 0;
  }
  GPT2RUN_HD static constexpr int min_of(int a, int b) { return a < b ? a : b; }
};

// Layernorm of the residual, made by every block anew in shared memory: cheaper than a kernel of its own. In double, so
// that what is rounded to the type is the same on every path.
template <class Value>
struct NormedRows {
  const float *x, *gain, *bias;  // (R, x_stride), (C), (C)
  const int32_t* index;          // which rows of x, or nullptr: all
  int C, x_stride, width;
  float epsilon;

  template <int kRows>
  GPT2RUN_DEVICE void stage(int first, int end, Shared& shared, const Value* (&in)[kRows]) const {
    Value* normed = shared.take<Value>(kRows * width);
    auto* warps = shared.take<double>(kProductWarps * kRows);
    const float* from[kRows];
    double mean[kRows] = {}, scale[kRows] = {};
    for (int r = 0; r < kRows; ++r) {
      const int row = first + r < end ? first + r : end - 1;
      from[r] = x + int64_t{index ? index[row] : row} * x_stride;
      in[r] = normed + r * width;
    }
    for (int c = thread_id(); c < C; c += kProductThreads)
      for (int r = 0; r < kRows; ++r) mean[r] += from[r][c];
    sum_over_block(mean, warps);
    for (int r = 0; r < kRows; ++r) mean[r] /= C;
    for (int c = thread_id(); c < C; c += kProductThreads)
      for (int r = 0; r < kRows; ++r) scale[r] += (from[r][c] - mean[r]) * (from[r][c] - mean[r]);
    sum_over_block(scale, warps);
    for (int r = 0; r < kRows; ++r) scale[r] = 1 / std::sqrt(scale[r] / C + epsilon);
    for (int c = thread_id(); c < width; c += kProductThreads) {
      for (int r = 0; r < kRows; ++r) {
        const double value = c < C ? (from[r][c] - mean[r]) * scale[r] * gain[c] + bias[c] : 0;
        normed[r * width + c] = narrow<Value>(static_cast<float>(value));
      }
    }
    sync_block();
  }

  template <int kRows>
  static constexpr size_t shared_bytes(int width) {
    return Shared::bytes_of<Value>(kRows * width) + Shared::bytes_of<double>(kProductWarps * kRows);
  }

 private:
  // The same sums in every thread.
  template <int kRows>
  GPT2RUN_DEVICE static void sum_over_block(double (&sums)[kRows], double* warps) {
    sum_over_lanes<kWarp>(sums);
    sync_block();  // nobody reads earlier sums any more
    for (int r = 0; r < kRows; ++r)
      if (thread_id() % kWarp == 0) warps[thread_id() / kWarp * kRows + r] = sums[r];
    sync_block();
    for (int r = 0; r < kRows; ++r) {
      sums[r] = 0;
      for (int warp = 0; warp < kProductWarps; ++warp) sums[r] += warps[warp * kRows + r];
    }
  }
};

// Sums of the rows with one output's weights over the lines first, first + step, ...
template <int kRows, class Value>
GPT2RUN_DEVICE void multiply(const Value* const (&in)[kRows], const Value* weights, int width, int first, int step,
                             float (&sums)[kRows]) {
  float parts[kRows][kSums] = {};
  const int lane = thread_id() % kLanes * kVector<Value>;
#if defined(__CUDACC__)
#pragma unroll 4
#endif
  for (int k = first * kLine<Value> + lane; k < width; k += step * kLine<Value>) {
    float w[kVector<Value>], x[kVector<Value>];
    load(weights + k, w);
    GPT2RUN_UNROLL
    for (int r = 0; r < kRows; ++r) {
      load(in[r] + k, x);
      GPT2RUN_UNROLL
      for (int i = 0; i < kVector<Value>; ++i) parts[r][i % kSums] = std::fma(x[i], w[i], parts[r][i % kSums]);
    }
  }
  GPT2RUN_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r] = (parts[r][0] + parts[r][1]) + (parts[r][2] + parts[r][3]);
  sum_over_lanes<kLanes>(sums);
}

// sink(row, output, sum) is called once for each. kSplit: warps that share the inputs of an output (1, or all four: for
// matrices with few outputs); then a block takes 4 outputs, else 16. Rows [begin, end). Grid: (blocks of outputs,
// blocks of kRows rows).
template <int kRows, int kSplit, class Value, class Source, class Sink>
GPT2RUN_KERNEL(kProductThreads)
product_kernel(DeviceMatrix<Value> matrix, Source source, Sink sink, int begin, int end) {
  static_assert(kSplit == 1 || kSplit == kProductWarps);
  Shared shared(shared_memory());
  const int first = begin + block_y() * kRows;
  const Value* in[kRows];
  source.template stage<kRows>(first, end, shared, in);
  const int warp = thread_id() / kWarp, lane = thread_id() % kLanes;
  const int own = thread_id() % kWarp / kLanes;  // of the warp's outputs
  const int output = (kSplit == 1 ? block_x() * kProductWarps + warp : block_x()) * kWarpOutputs + own;
  const int readable = output < matrix.outputs ? output : matrix.outputs - 1;
  float sums[kRows];
  multiply<kRows>(in, matrix.data + int64_t{readable} * matrix.stride, matrix.stride, kSplit == 1 ? 0 : warp, kSplit,
                  sums);
  if constexpr (kSplit > 1) {
    float* parts = shared.template take<float>(kSplit * kWarpOutputs * kRows);
    GPT2RUN_UNROLL
    for (int r = 0; r < kRows; ++r)
      if (lane == 0) parts[(warp * kWarpOutputs + own) * kRows + r] = sums[r];
    sync_block();
    if (warp > 0) return;
    constexpr int kNext = kWarpOutputs * kRows;
    GPT2RUN_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const float* part = parts + own * kRows + r;
      sums[r] = (part[0] + part[kNext]) + (part[2 * kNext] + part[3 * kNext]);
    }
  }
  if (output >= matrix.outputs) return;
  GPT2RUN_UNROLL
  for (int r = 0; r < kRows; ++r)
    if (lane == r && first + r < end) sink(first + r, output, sums[r]);
}

template <int kRows, int kSplit, class Value, class Source, class Sink>
void launch_product(const char* name, const DeviceMatrix<Value>& matrix, const Source& source, const Sink& sink,
                    const Stretch& rows, void* stream) {
  const int outputs = kSplit == 1 ? kProductWarps * kWarpOutputs : kWarpOutputs;
  size_t shared = Source::template shared_bytes<kRows>(matrix.stride);
  if (kSplit > 1) shared += Shared::bytes_of<float>(kSplit * kWarpOutputs * kRows);
  launch(
      {name, {divided_up(matrix.outputs, outputs), divided_up(rows.count, kRows), 1}, kProductThreads, shared, stream},
      product_kernel<kRows, kSplit, Value, Source, Sink>, matrix, source, sink, rows.first, rows.first + rows.count);
}

// As many rows at once as there are and fit shared memory.
template <int kSplit, class Value, class Source, class Sink>
void product(const char* name, const DeviceMatrix<Value>& matrix, const Source& source, const Sink& sink,
             const Stretch& rows, void* stream) {
  const auto fits = [&]<int kRows>(std::integral_constant<int, kRows>) {
    return rows.count > kRows / 2 && Source::template shared_bytes<kRows>(matrix.stride) <= kSharedBytes;
  };
  if (rows.count == 0) return;
  static_assert(kFewRows == 8);
  if (fits(std::integral_constant<int, 8>()))
    return launch_product<8, kSplit>(name, matrix, source, sink, rows, stream);
  if (fits(std::integral_constant<int, 4>()))
    return launch_product<4, kSplit>(name, matrix, source, sink, rows, stream);
  if (fits(std::integral_constant<int, 2>()))
    return launch_product<2, kSplit>(name, matrix, source, sink, rows, stream);
  launch_product<1, kSplit>(name, matrix, source, sink, rows, stream);
}

// Where q, k and v go, whose rows (3C) lie side by side.
template <class Value>
struct QkvPlaces {
  Value* q;  // (R, H, head)
  CacheView<Value> keys, values;
  const DeviceRow* rows;
  int C, D;

  GPT2RUN_DEVICE void operator()(int row, int output, Value value) const {
    const int part = output / C, head = output % C / D, d = output % D;
    if (part == 0) {
      q[(int64_t{row} * keys.heads + head) * keys.stride + d] = value;
    } else {
      (part == 1 ? keys : values).at(rows[row].slot, head, rows[row].position)[d] = value;
    }
  }
};

// Where products go.
template <class Value>
struct QkvSink {
  const float* bias;  // (3C)
  QkvPlaces<Value> places;

  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const {
    places(row, output, narrow<Value>(sum + bias[output]));
  }
};

struct AddSink {
  const float* bias;  // (C)
  float* x;           // (R, stride)
  int stride;

  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const {
    x[int64_t{row} * stride + output] += sum + bias[output];
  }
};

template <class Value>
struct GeluSink {
  const float* bias;  // (F)
  Value* h;           // (R, width)
  int width;

  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const {
    h[int64_t{row} * width + output] = narrow<Value>(gelu(sum + bias[output]));
  }
};

struct LogitSink {
  float *logits, *raw;  // (logit_rows, stride); raw may be nullptr
  int64_t stride;

  GPT2RUN_DEVICE void operator()(int row, int output, float sum) const {
    logits[row * stride + output] = sum;
    if (raw) raw[row * stride + output] = sum;
  }
};

}  // namespace gpt2run::cuda
