// Taps on the device: an operation's output is copied to the host, without the padding of the device's rows, and what a
// tap changes is copied back.
#pragma once
#include <cstring>

#include "gpt2run/sdk/attention_weights.hpp"
#include "gpt2run/sdk/network.hpp"
#include "plan.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

struct TapScratch {
  std::vector<char> raw;
  std::vector<float> values, before;  // what a tap has, and what the device has
};

// Downloads rows of `stride` values, and appends (rows, cols) of them as FP32 to scratch.values.
template <class Stored>
void fetch_rows(const Stored* from, int rows, int cols, int64_t stride, TapScratch& scratch, void* stream) {
  scratch.raw.resize(size_t(rows) * stride * sizeof(Stored));
  if (rows > 0) download(from, scratch.raw.data(), scratch.raw.size(), stream);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < cols; ++c) {
      Stored value;
      std::memcpy(&value, &scratch.raw[(r * stride + c) * sizeof(Stored)], sizeof value);
      scratch.values.push_back(to_f32(value));
    }
  }
}

template <class Value>
std::vector<DeviceRow> fetch_step(const DeviceState<Value>& s, const DeviceStep& step) {
  std::vector<DeviceRow> rows(step.rows);
  download(s.rows.data(), rows.data(), rows.size() * sizeof(DeviceRow), s.stream.get());
  return rows;
}

// Downloads q, and the key and value at each row's position, and appends them as (R, 3C) to scratch.values.
template <class Value>
void fetch_qkv(int layer, const DeviceState<Value>& s, const DeviceStep& step, TapScratch& scratch) {
  const int C = s.config.C, H = s.config.H, D = C / H;
  const std::vector<DeviceRow> rows = fetch_step(s, step);
  for (int r = 0; r < step.rows; ++r) {
    for (int head = 0; head < H; ++head)
      fetch_rows(s.q.data() + (int64_t{r} * H + head) * s.head, 1, D, s.head, scratch, s.stream.get());
    for (const CacheView<Value>& cache : {s.keys_of(layer), s.values_of(layer)})
      for (int head = 0; head < H; ++head)
        fetch_rows(cache.at(rows[r].slot, head, rows[r].position), 1, D, s.head, scratch, s.stream.get());
  }
}

// Downloads q and the keys, and shows the tap the weights that attention will have.
template <class Value>
void show_attention_weights(const SessionTap& tap, int layer, const DeviceState<Value>& s, const DeviceStep& step,
                            TapScratch& scratch) {
  const int H = s.config.H, D = s.config.C / H;
  const std::vector<DeviceRow> rows = fetch_step(s, step);
  scratch.values.clear();
  fetch_rows(s.q.data(), step.rows * H, D, s.head, scratch, s.stream.get());
  const std::vector<float> q = scratch.values;
  const auto read_keys = [&](int slot, int head, int positions, float* keys) {
    scratch.values.clear();
    fetch_rows(s.keys_of(layer).at(slot, head, 0), positions, D, s.head, scratch, s.stream.get());
    std::copy(scratch.values.begin(), scratch.values.end(), keys);
  };
  const int P =
      attention_weights(s.config, layer, std::span<const DeviceRow>(rows), q.data(), read_keys, scratch.before);
  tap.call(Op::attention_weights, layer, scratch.before.data(), step.rows, H * P);
}

// Uploads one row of `cols` values, rounded to the stored type.
template <class Stored>
void store_row(const float* values, int cols, Stored* to, TapScratch& scratch, void* stream) {
  scratch.raw.resize(cols * sizeof(Stored));
  for (int c = 0; c < cols; ++c) {
    const Stored value = from_f32<Stored>(values[c]);
    std::memcpy(&scratch.raw[c * sizeof value], &value, sizeof value);
  }
  upload(to, scratch.raw.data(), scratch.raw.size(), stream);
}

// Uploads a row of fetch_qkv().
template <class Value>
void store_qkv(const float* values, int layer, int r, DeviceState<Value>& s, TapScratch& scratch) {
  const int C = s.config.C, H = s.config.H, D = C / H;
  DeviceRow row;
  download(s.rows.data() + r, &row, sizeof row, s.stream.get());
  const CacheView<Value> keys = s.keys_of(layer), cached = s.values_of(layer);
  for (int head = 0; head < H; ++head, values += D) {
    store_row(values, D, s.q.data() + (int64_t{r} * H + head) * s.head, scratch, s.stream.get());
    store_row(values + C, D, keys.at(row.slot, head, row.position), scratch, s.stream.get());
    store_row(values + 2 * C, D, cached.at(row.slot, head, row.position), scratch, s.stream.get());
  }
}

// Uploads row r of what a tap has changed in place of what the operation wrote.
template <class Value>
void store_changed(const float* values, Op op, int layer, int r, DeviceState<Value>& s, TapScratch& scratch) {
  const int C = s.config.C;
  void* const stream = s.stream.get();
  if (op == Op::norm_qkv) return store_qkv(values, layer, r, s, scratch);
  if (op == Op::attention) return store_row(values, C, s.a.data() + int64_t{r} * s.width, scratch, stream);
  if (op == Op::norm_up_gelu)
    return store_row(values, s.config.F, s.h.data() + int64_t{r} * s.up_width, scratch, stream);
  if (op != Op::norm_logits) return store_row(values, C, s.x.data() + int64_t{r} * s.x_stride, scratch, stream);
  store_row(values, s.config.V, s.logits.data() + r * s.stride, scratch, stream);
  if (s.raw.size()) store_row(values, s.config.V, s.raw.data() + r * s.stride, scratch, stream);
}

// Waits for the operation, copies its output to the host and calls the tap. Rows that the tap has changed are copied
// back; the others keep their bits.
template <class Value>
void call_tap(const SessionTap& tap, Op op, int layer, DeviceState<Value>& s, const DeviceStep& step,
              TapScratch& scratch) {
  const int C = s.config.C;
  int rows = step.rows, cols = C;
  scratch.values.clear();
  if (op == Op::norm_qkv) {
    fetch_qkv(layer, s, step, scratch), cols = 3 * C;
  } else if (op == Op::attention) {
    fetch_rows(s.a.data(), rows, C, s.width, scratch, s.stream.get());
  } else if (op == Op::norm_up_gelu) {
    fetch_rows(s.h.data(), rows, cols = s.config.F, s.up_width, scratch, s.stream.get());
  } else if (op == Op::norm_logits) {
    fetch_rows(s.logits.data(), rows = step.logit_rows, cols = s.config.V, s.stride, scratch, s.stream.get());
  } else {
    fetch_rows(s.x.data(), rows, C, s.x_stride, scratch, s.stream.get());
  }
  if (rows == 0) return;
  scratch.before = scratch.values;
  if (!tap.call(op, layer, scratch.values.data(), rows, cols)) return;
  for (int r = 0; r < rows; ++r) {
    const float *own = &scratch.values[int64_t{r} * cols], *before = &scratch.before[int64_t{r} * cols];
    if (std::memcmp(own, before, cols * sizeof(float)) != 0) store_changed(own, op, layer, r, s, scratch);
  }
}

}  // namespace gpt2run::cuda
