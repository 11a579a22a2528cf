// The memory that an Ops set in host memory works on: the rows of a step, the activations and the KV cache. An Ops set
// with other needs may define its own state with the same members.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run {

struct HostRow {
  int32_t slot, position, token;
};

struct HostStep {
  std::span<const HostRow> rows;        // (R)
  std::span<const int32_t> logit_rows;  // indices of the rows that need logits, ascending
};

// A view of a matrix (rows, cols), valid until the next operation.
struct Matrix {
  const float* data;
  int rows, cols;
};

// The memory layout of the keys of one head and slot: one position after another. Another layout has the same
// functions.
struct PlainKeys {
  // The number of elements that hold the first `positions` positions.
  static constexpr size_t elements(int positions, int D) { return size_t(positions) * D; }
  static constexpr size_t at(int position, int d, int D) { return size_t(position) * D + d; }
};

// Value: storage type of keys and values. R is at most Limits::rows; each of the S slots has `context` positions.
template <class Value, class Keys = PlainKeys>
struct HostState {
  HostState(const ModelConfig& m, const Limits& limits)
      : config(m), slots(limits.slots), context(limits.context), stride((m.V + 15) / 16 * 16) {
    const size_t rows = limits.rows;
    x.resize(rows * m.C), q.resize(rows * m.C), a.resize(rows * m.C), h.resize(rows * m.F);
    keys.resize(size_t(m.L) * slots * m.H * Keys::elements(context, m.C / m.H));
    values.resize(size_t(m.L) * slots * context * m.C);
    logits.resize(size_t(limits.logit_rows) * stride);
    if (limits.keep_raw) raw.resize(logits.size());
  }

  // The index of element d of a position's key.
  size_t key(int layer, int slot, int head, int position, int d) const {
    const int D = config.C / config.H;
    return ((size_t(layer) * slots + slot) * config.H + head) * Keys::elements(context, D) + Keys::at(position, d, D);
  }

  // The index of the first of the D elements of a position's value. The next position of the same head follows it.
  size_t cache(int layer, int slot, int head, int position) const {
    const size_t D = config.C / config.H;
    return (((size_t(layer) * slots + slot) * config.H + head) * context + position) * D;
  }

  // Copies the first `keep` positions of slot `from` to `slot`.
  void copy_cache(int slot, int from, int keep) {
    const int D = config.C / config.H;
    for (int layer = 0; layer < config.L; ++layer) {
      for (int head = 0; head < config.H; ++head) {
        std::copy_n(&keys[key(layer, from, head, 0, 0)], Keys::elements(keep, D), &keys[key(layer, slot, head, 0, 0)]);
        std::copy_n(&values[cache(layer, from, head, 0)], size_t(keep) * D, &values[cache(layer, slot, head, 0)]);
      }
    }
  }

  // What `op` has just written, for taps. Data that is not contiguous is gathered in scratch.
  Matrix written(Op op, int layer, const HostStep& step, std::vector<float>& scratch) const {
    const int rows = static_cast<int>(step.rows.size());
    if (op == Op::norm_qkv) return gather_qkv(layer, step, scratch);
    if (op == Op::attention) return {a.data(), rows, config.C};
    if (op == Op::norm_up_gelu) return {h.data(), rows, config.F};
    if (op != Op::norm_logits) return {x.data(), rows, config.C};
    scratch.resize(step.logit_rows.size() * config.V);
    for (size_t i = 0; i < step.logit_rows.size(); ++i)
      std::copy_n(&logits[i * stride], config.V, &scratch[i * config.V]);
    return {scratch.data(), static_cast<int>(step.logit_rows.size()), config.V};
  }

  // keys (positions, D) = the first keys of a head in the cache.
  void read_keys(int layer, int slot, int head, int positions, float* out) const {
    const int D = config.C / config.H;
    for (int t = 0; t < positions; ++t)
      for (int d = 0; d < D; ++d) *out++ = to_f32(keys[key(layer, slot, head, t, d)]);
  }

  // Stores one row in place of what `op` has just written. r: the row of what written() returns. values: as there, in
  // the form that the operation would have given them; keys and values are stored as the nearest Value.
  void take(Op op, int layer, const HostStep& step, int r, const float* values) {
    if (op == Op::norm_qkv)
      take_qkv(layer, step.rows[r], r, values);
    else
      take_floats(op, r, values);
  }

  ModelConfig config;
  int slots, context;
  int64_t stride;                   // elements from one row of logits to the next
  std::vector<float> x, q, a;       // (R, C) residual, queries, output of attention
  std::vector<float> h;             // (R, F) hidden values of the MLP
  std::vector<Value> keys, values;  // indexed by key() and cache()
  std::vector<float> logits, raw;   // (logit_rows, stride); raw is empty unless Limits::keep_raw

 protected:
  // take() for all operations but norm_qkv.
  void take_floats(Op op, int r, const float* values) {
    if (op == Op::attention)
      std::copy_n(values, config.C, &a[size_t(r) * config.C]);
    else if (op == Op::norm_up_gelu)
      std::copy_n(values, config.F, &h[size_t(r) * config.F]);
    else if (op == Op::norm_logits)
      std::copy_n(values, config.V, &logits[r * stride]);
    else
      std::copy_n(values, config.C, &x[size_t(r) * config.C]);
  }

 private:
  void take_qkv(int layer, const HostRow& row, int r, const float* values) {
    const int C = config.C, D = C / config.H;
    std::copy_n(values, C, &q[size_t(r) * C]);
    for (int c = 0; c < C; ++c) {
      const int head = c / D, d = c % D;
      keys[key(layer, row.slot, head, row.position, d)] = from_f32<Value>(values[C + c]);
      this->values[cache(layer, row.slot, head, row.position) + d] = from_f32<Value>(values[2 * C + c]);
    }
  }

  Matrix gather_qkv(int layer, const HostStep& step, std::vector<float>& scratch) const {
    const int C = config.C, D = C / config.H;
    scratch.resize(step.rows.size() * 3 * C);
    float* out = scratch.data();
    for (size_t r = 0; r < step.rows.size(); ++r, out += 3 * C) {
      std::copy_n(&q[r * C], C, out);
      for (int c = 0; c < C; ++c) {
        const HostRow& row = step.rows[r];
        out[C + c] = to_f32(keys[key(layer, row.slot, c / D, row.position, c % D)]);
        out[2 * C + c] = to_f32(values[cache(layer, row.slot, c / D, row.position) + c % D]);
      }
    }
    return {scratch.data(), static_cast<int>(step.rows.size()), 3 * C};
  }
};

}  // namespace gpt2run
