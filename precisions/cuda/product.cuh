// Products of few rows with a weight matrix: the decode kernels. Eight lanes compute an output; each lane loads 16
// bytes of its weights at a time, and multiplies them with up to eight rows. The order of every sum depends only on the
// shape of the weights, never on the other rows or on their number.
#pragma once
#include "gpt2run/sdk/cuda/async_copy.hpp"
#include "plan.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

inline constexpr int kProductThreads = 128;
inline constexpr int kProductBlocks = 4;  // per multiprocessor, which leaves each thread 128 registers
inline constexpr int kProductWarps = kProductThreads / kWarp;
inline constexpr int kWarpOutputs = kWarp / kLanes;
inline constexpr int kSums = 4;  // independent partial sums per lane

// Inputs that are read from device memory unchanged: (R, stride).
template <class Value>
struct PlainRows {
  const Value* x;
  int stride;

  GPT2RUN_DEVICE void prefetch_weights() const {}
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

// The most rows whose mean and scale every block computes again. Of more rows at once that takes longer than a kernel
// that computes them in advance (statistics_kernel).
inline constexpr int kOwnStatistics = 2;

// Inputs that are the layernorm of the residual. Every block computes them again in its shared memory, which costs less
// than a separate kernel. The layernorm is computed in double, so that every path rounds the same value to the type.
template <class Value>
struct NormedRows {
  const float *x, *gain, *bias;  // (R, x_stride), (C), (C)
  const int32_t* index;          // the rows of x to use, or nullptr for all
  int C, x_stride, width;
  float epsilon;
  RowStatistics* statistics;  // (R), written in advance where a block takes more than kOwnStatistics rows

  // May be called before the kernel in front has ended; stage() only afterwards.
  GPT2RUN_DEVICE void prefetch_weights() const {
    if (const int c = thread_id() * kLine<float>; c < C) prefetch(gain + c), prefetch(bias + c);
  }

  template <int kRows>
  GPT2RUN_DEVICE void stage(int first, int end, Shared& shared, const Value* (&in)[kRows]) const {
    Value* normed = shared.take<Value>(kRows * width);
    double *warps = shared.take<double>(kProductWarps * kRows), *mean = shared.take<double>(kRows),
           *scale = shared.take<double>(kRows);
    const float* from[kRows];
    for (int r = 0; r < kRows; ++r) {
      const int row = first + r < end ? first + r : end - 1;
      from[r] = x + int64_t{index ? index[row] : row} * x_stride;
      in[r] = normed + r * width;
    }
    if constexpr (kRows <= kOwnStatistics) {
      find_statistics(from, warps, mean, scale);
    } else {
      if (const int r = thread_id(); r < kRows) {
        const RowStatistics& own = statistics[first + r < end ? first + r : end - 1];
        mean[r] = own.mean, scale[r] = own.scale;
      }
      sync_block();
    }
    for_columns(from, [&](int c, int r, float value, float gain, float bias) {
      const double result = (value - mean[r]) * scale[r] * gain + bias;
      normed[r * width + c] = narrow<Value>(static_cast<float>(result));
    });
    static_assert(kLine<Value> <= kProductThreads);
    if (const int c = C + thread_id(); c < width)
      for (int r = 0; r < kRows; ++r) normed[r * width + c] = narrow<Value>(0);
    sync_block();
  }

  // Writes the mean and the scale of a row to `statistics`.
  GPT2RUN_DEVICE void write_statistics(int row, Shared& shared) const {
    double *warps = shared.take<double>(kProductWarps), *mean = shared.take<double>(1), *scale = shared.take<double>(1);
    const float* const from[1] = {x + int64_t{index ? index[row] : row} * x_stride};
    find_statistics(from, warps, mean, scale);
    if (thread_id() == 0) statistics[row] = {*mean, *scale};
  }
  static constexpr size_t statistics_bytes() { return shared_bytes<1>(0); }

  template <int kRows>
  static constexpr size_t shared_bytes(int width) {
    return Shared::bytes_of<Value>(kRows * width) + Shared::bytes_of<double>(kProductWarps * kRows) +
           2 * Shared::bytes_of<double>(kRows);
  }

 private:
  // The mean and the scale of each row, in shared memory, which every thread may read afterwards.
  template <int kRows>
  GPT2RUN_DEVICE void find_statistics(const float* const (&from)[kRows], double* warps, double* mean,
                                      double* scale) const {
    double sums[kRows] = {};
    for_columns(from, [&](int, int r, float value) { sums[r] += value; });
    sum_over_block(sums, warps, mean, [&](double sum) { return sum / C; });
    for (int r = 0; r < kRows; ++r) sums[r] = 0;
    for_columns(from, [&](int, int r, float value) { sums[r] += (value - mean[r]) * (value - mean[r]); });
    sum_over_block(sums, warps, scale, [&](double sum) { return 1 / std::sqrt(sum / C + epsilon); });
  }

  // Calls use(c, row, value[, gain, bias]) for every row and the thread's own columns, ascending. The loads of several
  // columns are issued together.
  template <int kRows, class Use>
  GPT2RUN_DEVICE void for_columns(const float* const (&from)[kRows], Use use) const {
    constexpr bool kAffine = std::is_invocable_v<Use, int, int, float, float, float>;
    constexpr int kColumns = (kRows <= 2 ? 8 : 16) / kRows;
    for (int begin = thread_id(); begin < C; begin += kColumns * kProductThreads) {
      float values[kColumns][kRows] = {}, gains[kColumns] = {}, biases[kColumns] = {};
      GPT2RUN_UNROLL
      for (int i = 0; i < kColumns; ++i) {
        const int c = begin + i * kProductThreads;
        if (c >= C) continue;
        GPT2RUN_UNROLL
        for (int r = 0; r < kRows; ++r) values[i][r] = from[r][c];
        if constexpr (kAffine) gains[i] = gain[c], biases[i] = bias[c];
      }
      GPT2RUN_UNROLL
      for (int i = 0; i < kColumns; ++i) {
        const int c = begin + i * kProductThreads;
        if (c >= C) continue;
        GPT2RUN_UNROLL
        for (int r = 0; r < kRows; ++r) {
          if constexpr (kAffine)
            use(c, r, values[i][r], gains[i], biases[i]);
          else
            use(c, r, values[i][r]);
        }
      }
    }
  }

  // Sums each row over the block, and writes finish(sum) to out (kRows) in shared memory, which every thread may read
  // afterwards. One thread per row calls finish, because division and square root in double are expensive.
  template <int kRows, class Finish>
  GPT2RUN_DEVICE static void sum_over_block(double (&sums)[kRows], double* warps, double* out, Finish finish) {
    sum_over_lanes<kWarp>(sums);
    for (int r = 0; r < kRows; ++r)
      if (thread_id() % kWarp == 0) warps[thread_id() / kWarp * kRows + r] = sums[r];
    sync_block();
    if (const int r = thread_id(); r < kRows) {
      double sum = 0;
      for (int warp = 0; warp < kProductWarps; ++warp) sum += warps[warp * kRows + r];
      out[r] = finish(sum);
    }
    sync_block();
  }
};

// Mean and scale of a row per block, from row `first` on.
template <class Value>
GPT2RUN_KERNEL(kProductThreads)
statistics_kernel(NormedRows<Value> source, int first) {
  wait_for_previous_kernel();
  Shared shared(shared_memory());
  source.write_statistics(first + block_x(), shared);
}

// Enqueues what a product needs before it, where its blocks take kRows rows.
template <int kRows, class Value>
void prepare_rows(const PlainRows<Value>&, const RowRange&, const KernelStream&) {}
template <int kRows, class Value>
void prepare_rows(const NormedRows<Value>& source, const RowRange& rows, const KernelStream& stream) {
  if constexpr (kRows > kOwnStatistics)
    launch({"statistics", {rows.count, 1, 1}, kProductThreads, NormedRows<Value>::statistics_bytes(), stream},
           statistics_kernel<Value>, source, rows.first);
}

// Each thread keeps this many 16-byte vectors of weights in flight, in a ring of its own in shared memory
// (docs/cuda.md).
inline constexpr int kRingLines = 12;
inline constexpr size_t kRingBytes = Shared::bytes_of<Raw>(kRingLines * kProductThreads);

// For how many lines a thread loads the inputs together, and how many lines an iteration of its loop has.
template <int kRows, int kSplit>
constexpr int inputs_in_flight() {
  return kRows == 1 ? (kSplit == 1 ? 2 : 4) : kRows == 2 && kSplit > 1 ? 2 : 1;
}
template <int kRows>
constexpr int lines_in_iteration() {
  return kRows <= 2 ? 4 : kRows == 4 ? 2 : 1;
}

// A thread's part of the weights of one output: its lane's vector of every kSplit-th line. They are copied to the
// thread's slots of the ring, of which nobody else reads any. The constructor starts the first kRingLines copies, and
// each line that is used starts the next one. Every line is a group of copies, so that waiting for all groups but the
// latest kRingLines - 1 is waiting for the line that is used next.
//
// kWalks: the stream goes on from one output to the next, and so the ring is never empty between two of them. An output
// takes slots for whole iterations, though its last one may have fewer lines, so that all copies which an iteration
// starts are of one output.
template <int kRows, int kSplit, class Value, bool kWalks = false>
class WeightStream {
 public:
  // row: the `width` weights of the output. first: the first line to read, below kSplit. ring: (kRingLines,
  // kProductThreads) in shared memory, which must not be used otherwise as long as the block runs. outputs: how many
  // outputs the thread has weights of, each `jump` elements behind the one before; a stream that does not walk has one.
  GPT2RUN_DEVICE WeightStream(const Value* row, int width, int first, Raw* ring, int outputs = 1, int64_t jump = 0)
      : width_(width),
        left_(width - first * kLine<Value> - thread_id() % kLanes * kVector<Value>),
        next_(row + width - left_),
        ring_(ring + thread_id()),
        slot_(ring_) {
    if constexpr (kWalks) walk_ = {left_, outputs > 0 ? left_ : 0, outputs, jump};
    GPT2RUN_UNROLL
    for (int i = 0; i < kRingLines; ++i) {
      request(i, kWalks ? i % kLines : i, i);
      if (kWalks && (i + 1) % kLines == 0) go_on();
    }
    if constexpr (!kWalks) next_ += kRingLines * kStep;
  }

  // sums: the product of every row with the output's weights. All eight lanes of the output get the same sums. May be
  // called more often than the thread has outputs; the sums are then undefined.
  GPT2RUN_DEVICE void multiply(const Value* const (&in)[kRows], float (&sums)[kRows]) {
    float parts[kRows][kSums] = {};
    uint32_t offsets[kRows];  // half as many registers as pointers need
    GPT2RUN_UNROLL
    for (int r = 0; r < kRows; ++r) offsets[r] = static_cast<uint32_t>(in[r] - in[0]);
    for (; left_ > (kLines - 1) * kStep; left_ -= kLines * kStep) {
      add<true>(in[0] + (width_ - left_), offsets, parts);
      use_next_slots();
    }
    if (left_ > 0) {
      add<false>(in[0] + (width_ - left_), offsets, parts);
      if constexpr (kWalks) use_next_slots();
    }
    if constexpr (kWalks) left_ = walk_.own;
    GPT2RUN_UNROLL
    for (int r = 0; r < kRows; ++r) sums[r] = (parts[r][0] + parts[r][1]) + (parts[r][2] + parts[r][3]);
    sum_over_lanes<kLanes>(sums);
  }

 private:
  static constexpr int kStep = kSplit * kLine<Value>;
  static constexpr int kLines = lines_in_iteration<kRows>(), kInputs = inputs_in_flight<kRows, kSplit>();
  static_assert(kLines % kInputs == 0 && kRingLines % kLines == 0);

  // Of a stream that walks. left, outputs: what is not yet copied of the output at next_, and the number of outputs
  // from it on.
  struct Walk {
    int own, left, outputs;
    int64_t jump;
  };
  struct Nothing {};

  // Starts the copy of the line that is `line` lines after next_, to the slot that is `slot` slots after slot_, and
  // `ahead` lines after the one at left_. The group is closed even if there is no such line.
  GPT2RUN_DEVICE void request(int slot, int line, int ahead) {
    bool there;
    if constexpr (kWalks)
      there = line * kStep < walk_.left;
    else
      there = ahead * kStep < left_;
    if (there) copy_async(slot_ + slot * kProductThreads, next_ + line * kStep);
    commit_copies();
  }

  // The copies of the next iteration are of the lines that follow, or of the next output if there are none.
  GPT2RUN_DEVICE void go_on() {
    if constexpr (kWalks) {
      next_ += kLines * kStep, walk_.left -= kLines * kStep;
      if (walk_.left > 0 || --walk_.outputs <= 0) return;
      next_ += walk_.jump - (walk_.own - walk_.left), walk_.left = walk_.own;
    } else {
      next_ += kLines * kStep;
    }
  }
  GPT2RUN_DEVICE void use_next_slots() {
    go_on();
    slot_ += kLines * kProductThreads;
    if (slot_ == ring_ + kRingLines * kProductThreads) slot_ = ring_;
  }

  // Adds the next kLines lines: all of them if kWhole, else as many as are left. in: the first row's inputs for the
  // first of these lines.
  template <bool kWhole>
  GPT2RUN_DEVICE void add(const Value* in, const uint32_t (&offsets)[kRows], float (&parts)[kRows][kSums]) {
    GPT2RUN_UNROLL
    for (int i = 0; i < kLines; i += kInputs) {
      Raw inputs[kInputs][kRows];
      GPT2RUN_UNROLL
      for (int j = i; j < i + kInputs; ++j) {
        GPT2RUN_UNROLL
        for (int r = 0; r < kRows; ++r)
          if (kWhole || j * kStep < left_) inputs[j - i][r] = load_raw(in + offsets[r] + j * kStep);
      }
      GPT2RUN_UNROLL
      for (int j = i; j < i + kInputs; ++j) {
        if (!kWhole && j * kStep >= left_) {
          if constexpr (!kWalks) break;
          request(j, j, kRingLines + j);
          continue;
        }
        float w[kVector<Value>], x[kVector<Value>];
        wait_copies<kRingLines - 1>();
        widen<Value>(load_raw(slot_ + j * kProductThreads), w);
        request(j, j, kRingLines + j);
        GPT2RUN_UNROLL
        for (int r = 0; r < kRows; ++r) {
          widen<Value>(inputs[j - i][r], x);
          GPT2RUN_UNROLL
          for (int v = 0; v < kVector<Value>; ++v) parts[r][v % kSums] = std::fma(x[v], w[v], parts[r][v % kSums]);
        }
      }
    }
  }

  int width_, left_;
  const Value* next_;  // the line after those that are in the ring
  Raw *ring_, *slot_;  // the thread's first slot, and the one of the line that is used next
  std::conditional_t<kWalks, Walk, Nothing> walk_;
};

// Calls sink.put(row, output, sum, sink.read(row, output)) once for every output of the rows [begin, end). The copies
// of weights are started before the kernel in front has ended; then come the sink's reads, and then the inputs are
// staged. kSplit is the number of warps that divide the inputs of an output among them: 1, with 16 outputs per block,
// or all four, with 4 outputs per block, for matrices with few outputs. Grid: (blocks of outputs, blocks of kRows
// rows).
template <int kRows, int kSplit, class Value, class Source, class Sink>
GPT2RUN_KERNEL(kProductThreads, kProductBlocks)
product_kernel(DeviceMatrix<Value> matrix, Source source, Sink sink, int begin, int end) {
  static_assert(kSplit == 1 || kSplit == kProductWarps);
  Shared shared(shared_memory());
  const int first = begin + block_y() * kRows;
  const int warp = thread_id() / kWarp, lane = thread_id() % kLanes;
  const int own = thread_id() % kWarp / kLanes;  // index among the warp's outputs
  const int output = (kSplit == 1 ? block_x() * kProductWarps + warp : block_x()) * kWarpOutputs + own;
  const int readable = output < matrix.outputs ? output : matrix.outputs - 1;
  WeightStream<kRows, kSplit, Value> weights(matrix.data + int64_t{readable} * matrix.stride, matrix.stride,
                                             warp % kSplit, shared.template take<Raw>(kRingLines * kProductThreads));
  // Lane r of an output's eight lanes puts the sum of row r.
  const bool puts = lane < kRows && first + lane < end && output < matrix.outputs && (kSplit == 1 || warp == 0);
  typename Sink::Read read = {};
  source.prefetch_weights();
  wait_for_previous_kernel();
  if (puts) read = sink.read(first + lane, output);

  const Value* in[kRows];
  source.template stage<kRows>(first, end, shared, in);
  float sums[kRows];
  weights.multiply(in, sums);
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
  float sum = sums[0];
  GPT2RUN_UNROLL
  for (int r = 1; r < kRows; ++r) sum = lane == r ? sums[r] : sum;
  if (puts) sink.put(first + lane, output, sum, read);
}

template <int kRows, int kSplit, class Source>
constexpr size_t product_bytes(int width) {
  const size_t parts = kSplit > 1 ? Shared::bytes_of<float>(kSplit * kWarpOutputs * kRows) : 0;
  return kRingBytes + Source::template shared_bytes<kRows>(width) + parts;
}

template <int kRows, int kSplit, class Value, class Source, class Sink>
void launch_product(const char* name, const DeviceMatrix<Value>& matrix, const Source& source, const Sink& sink,
                    const RowRange& rows, const KernelStream& stream) {
  const int outputs = kSplit == 1 ? kProductWarps * kWarpOutputs : kWarpOutputs;
  prepare_rows<kRows>(source, rows, stream);
  launch({name,
          {divided_up(matrix.outputs, outputs), divided_up(rows.count, kRows), 1},
          kProductThreads,
          product_bytes<kRows, kSplit, Source>(matrix.stride),
          stream},
         product_kernel<kRows, kSplit, Value, Source, Sink>, matrix, source, sink, rows.first, rows.first + rows.count);
}

// Calls launch(number of rows that a block takes) with as many as there are and as fit in shared memory.
template <int kSplit, class Source, class Launch>
void with_rows_at_once(int width, const RowRange& rows, Launch launch) {
  const auto fits = [&]<int kRows>(std::integral_constant<int, kRows>) {
    return rows.count > kRows / 2 && product_bytes<kRows, kSplit, Source>(width) <= kMostSharedBytes;
  };
  if (rows.count == 0) return;
  static_assert(kDecodeRows == 8);
  if (fits(std::integral_constant<int, 8>())) return launch(std::integral_constant<int, 8>());
  if (fits(std::integral_constant<int, 4>())) return launch(std::integral_constant<int, 4>());
  if (fits(std::integral_constant<int, 2>())) return launch(std::integral_constant<int, 2>());
  launch(std::integral_constant<int, 1>());
}

// Multiplies as many rows at once as there are and as fit in shared memory.
template <int kSplit, class Value, class Source, class Sink>
void product(const char* name, const DeviceMatrix<Value>& matrix, const Source& source, const Sink& sink,
             const RowRange& rows, const KernelStream& stream) {
  with_rows_at_once<kSplit, Source>(matrix.stride, rows, [&]<int kRows>(std::integral_constant<int, kRows>) {
    launch_product<kRows, kSplit>(name, matrix, source, sink, rows, stream);
  });
}

}  // namespace gpt2run::cuda
