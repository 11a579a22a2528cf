// Taps on the device: an operation's output is copied to the host, without the padding of the device's rows.
#pragma once
#include <cstring>

#include "gpt2run/sdk/network.hpp"
#include "plan.hpp"
#include "state.hpp"

namespace gpt2run::cuda {

struct TapScratch {
  std::vector<char> raw;
  std::vector<float> values;
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

// Downloads q, and the key and value at each row's position, and appends them as (R, 3C) to scratch.values.
template <class Value>
void fetch_qkv(int layer, const DeviceState<Value>& s, const DeviceStep& step, TapScratch& scratch) {
  const int C = s.config.C, H = s.config.H, D = C / H;
  std::vector<DeviceRow> rows(step.rows);
  download(s.rows.data(), rows.data(), rows.size() * sizeof(DeviceRow), s.stream.get());
  for (int r = 0; r < step.rows; ++r) {
    for (int head = 0; head < H; ++head)
      fetch_rows(s.q.data() + (int64_t{r} * H + head) * s.head, 1, D, s.head, scratch, s.stream.get());
    for (const CacheView<Value>& cache : {s.keys_of(layer), s.values_of(layer)})
      for (int head = 0; head < H; ++head)
        fetch_rows(cache.at(rows[r].slot, head, rows[r].position), 1, D, s.head, scratch, s.stream.get());
  }
}

// Waits for the operation, copies its output to the host and calls the tap.
template <class Value>
void call_tap(const SessionTap& tap, Op op, int layer, const DeviceState<Value>& s, const DeviceStep& step,
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
  if (rows > 0) tap.call(op, layer, scratch.values.data(), rows, cols);
}

}  // namespace gpt2run::cuda
