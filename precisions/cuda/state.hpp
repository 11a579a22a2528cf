// DeviceState: the memory that the CUDA operations work on, all on the device: the rows of a step, the activations and
// the KV cache. Rows of inputs are padded with zeros to whole lines, and heads to whole vectors, so that kernels never
// read partial ones.
#pragma once
#include <algorithm>
#include <vector>

#include "gpt2run/precision.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "math.cuh"

namespace gpt2run::cuda {

struct DeviceRow {
  int32_t slot, position, token;
};

// What layernorm subtracts from a row of the residual and multiplies it with.
struct RowStatistics {
  double mean, scale;
};

// A row-major matrix (outputs, inputs padded to a line) in device memory.
template <class Value>
struct DeviceMatrix {
  const Value* data;
  int outputs, stride;
};

// The keys or values of one layer: (S, H, context, D padded to a vector).
template <class Value>
struct CacheView {
  Value* data;
  int heads, context, stride;

  // A pointer to the vector of a position. The next position of the same head is `stride` elements further.
  GPT2RUN_HD Value* at(int slot, int head, int position) const {
    return data + ((int64_t{slot} * heads + head) * context + position) * stride;
  }
};

inline constexpr int kChunk = 64;          // positions per block of attention
inline constexpr int kAttentionRows = 64;  // rows per launch of attention, which bounds the memory of partial results

// R is at most Limits::rows; each of the S slots has `context` positions. gemm: allocates the inputs and outputs of
// cuBLASLt's products too. dependent: kernels are launched on a dependent stream.
template <class Value>
struct DeviceState {
  DeviceState(const ModelConfig& m, const Limits& limits, bool gemm, bool dependent = true)
      : config(m),
        slots(limits.slots),
        context(limits.context),
        head(padded_to_vector<Value>(m.C / m.H)),
        width(padded_to_line<Value>(m.C)),
        up_width(padded_to_line<Value>(m.F)),
        stride((m.V + 15) / 16 * 16),
        stream(make_stream()),
        kernels(stream.get(), dependent),
        rows(limits.rows),
        logit_rows(limits.logit_rows),
        x_stride(padded_to_vector<float>(m.C)),
        x(size_t(limits.rows) * x_stride),
        statistics(limits.rows),
        q(size_t(limits.rows) * m.H * head),
        a(size_t(limits.rows) * width),
        h(size_t(limits.rows) * up_width),
        keys(size_t(m.L) * layer_cache()),
        values(keys.size()),
        partial(size_t(kAttentionRows) * m.H * chunks() * (m.C / m.H + 2)),
        arrived(size_t(kAttentionRows) * m.H),
        logits(size_t(limits.logit_rows) * stride),
        raw(limits.keep_raw ? logits.size() : 0),
        sum_stride(padded_to_vector<Value>(std::max(3 * m.C, m.F))),
        normed(gemm ? size_t(limits.rows) * width : 0),
        sums(gemm ? size_t(limits.rows) * sum_stride : 0) {
    fill_zero(q.data(), q.bytes(), stream.get()), fill_zero(a.data(), a.bytes(), stream.get());
    fill_zero(h.data(), h.bytes(), stream.get()), fill_zero(keys.data(), keys.bytes(), stream.get());
    fill_zero(values.data(), values.bytes(), stream.get()), fill_zero(arrived.data(), arrived.bytes(), stream.get());
  }

  int chunks() const { return divided_up(context, kChunk); }
  size_t layer_cache() const { return size_t(slots) * config.H * context * head; }
  // (R, sum_stride) in the memory of `sums`, for products that cuBLASLt rounds to the type.
  Value* rounded_sums() const { return reinterpret_cast<Value*>(sums.data()); }
  CacheView<Value> keys_of(int layer) const { return view(keys, layer); }
  CacheView<Value> values_of(int layer) const { return view(values, layer); }

  // Copies the first `keep` positions of slot `from` to `slot`.
  void copy_cache(int slot, int from, int keep) {
    if (keep == 0) return;
    for (int layer = 0; layer < config.L; ++layer) {
      for (const CacheView<Value>& cache : {keys_of(layer), values_of(layer)})
        copy_rows(cache.at(slot, 0, 0), cache.at(from, 0, 0), size_t(keep) * head * sizeof(Value),
                  size_t(context) * head * sizeof(Value), config.H, stream.get());
    }
  }

  struct ReleaseStream {
    void operator()(void* at) const { release_stream(at); }
  };

  ModelConfig config;
  int slots, context;
  int head, width, up_width;  // padded D, C and F
  int64_t stride;             // elements from one row of logits to the next
  std::unique_ptr<void, ReleaseStream> stream;
  KernelStream kernels;             // the same stream, for kernels
  Array<DeviceRow> rows;            // (R)
  Array<int32_t> logit_rows;        // indices of the rows that need logits, ascending
  int x_stride;                     // padded C, in FP32
  Array<float> x;                   // (R, x_stride) residual
  Array<RowStatistics> statistics;  // (R), of the rows of the product that follows
  Array<Value> q, a, h;             // (R, H, head), (R, width), (R, up_width)
  Array<Value> keys, values;        // (L, S, H, context, head)
  Array<float> partial;             // (kAttentionRows, H, chunks, D + 2): a chunk's weighted sum, maximum and weight
  Array<int> arrived;               // (kAttentionRows, H): chunks that are done; 0 between launches
  Array<float> logits, raw;         // (logit_rows, stride)
  int64_t sum_stride;
  Array<Value> normed;  // (R, width): inputs of cuBLASLt's products
  Array<float> sums;    // (R, sum_stride): their outputs

 private:
  CacheView<Value> view(const Array<Value>& cache, int layer) const {
    return {cache.data() + layer * layer_cache(), config.H, context, head};
  }
};

}  // namespace gpt2run::cuda
