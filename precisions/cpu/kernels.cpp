// The kernels for one instruction set (vector.hpp). This file is compiled several times: all but the tables at its end
// is internal, and no template of the standard library is used, so that no code for a wide machine can be shared with a
// lesser one.
#include "kernels.hpp"

#include "vector.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

// A block of rows x outputs reuses what it loads; it is as large as the registers allow. A single row waits for memory:
// several outputs at a time are several streams.
constexpr int kPanel = 4;  // outputs whose weights stay near while all rows pass by
constexpr int kRows = kWidth == 16 ? 4 : 3, kOutputs = kWidth == 16 ? 4 : kWidth == 8 ? 2 : 1;
constexpr int kSingleOutputs = kWidth == 4 ? 1 : 4;

GPT2RUN_INLINE int least(int a, int b) { return a < b ? a : b; }

// One step of sixteen along K, of which `count` are there.
template <int kR, int kO, class Value>
GPT2RUN_INLINE void multiply(const float* x, const Value* w, int K, int count, Floats (&total)[kR][kO]) {
  Floats rows[kR];
  for (int r = 0; r < kR; ++r) rows[r] = load(x + int64_t(r) * K, count);
  for (int o = 0; o < kO; ++o) {
    const Floats weight = load(w + int64_t(o) * K, count);
    for (int r = 0; r < kR; ++r) total[r][o] = fma(rows[r], weight, total[r][o]);
  }
}

// Every output is a sum of its own in one order, whatever the block: sixteen lanes ascending, then the tree of sums().
template <int kR, int kO, class Value>
void block(const float* x, const Value* w, int K, float* y, int64_t y_stride) {
  Floats total[kR][kO];
  for (auto& row : total) {
    for (Floats& each : row) each = splat16(0);
  }
  int k = 0;
  for (; k + kLanes <= K; k += kLanes) multiply<kR, kO>(x + k, w + k, K, kLanes, total);
  if (k < K) multiply<kR, kO>(x + k, w + k, K, K - k, total);
  for (int r = 0; r < kR; ++r) {
    if constexpr (kO == 4) {
      const Quad four = sums(total[r]);
      __builtin_memcpy(y + r * y_stride, &four, sizeof four);
    } else {
      for (int o = 0; o < kO; ++o) y[r * y_stride + o] = sum(total[r][o]);
    }
  }
}

template <int kR, int kO, class Value>
void panel(const float* x, const Value* w, int K, int outputs, float* y, int64_t y_stride) {
  int o = 0;
  for (; o + kO <= outputs; o += kO) block<kR, kO>(x, w + int64_t(o) * K, K, y + o, y_stride);
  for (; o < outputs; ++o) block<kR, 1>(x, w + int64_t(o) * K, K, y + o, y_stride);
}

// Rows go in chunks that stay in the second-level cache while the weights pass by.
template <class Value>
void linear(const float* x, int rows, const Value* w, int K, int outputs, float* y, int64_t y_stride) {
  const int chunk = (65536 / K / kRows + 1) * kRows;
  for (int first = 0; first < rows; first += chunk) {
    const int end = least(first + chunk, rows);
    for (int o = 0; o < outputs; o += kPanel) {
      const int count = least(kPanel, outputs - o);
      const Value* weights = w + int64_t(o) * K;
      int r = first;
      for (; r + kRows <= end; r += kRows)
        panel<kRows, kOutputs>(x + int64_t(r) * K, weights, K, count, y + r * y_stride + o, y_stride);
      for (; r < end; ++r)
        panel<1, kSingleOutputs>(x + int64_t(r) * K, weights, K, count, y + r * y_stride + o, y_stride);
    }
  }
}

template <class Value>
void embed(const Value* token, const Value* position, int C, float* out) {
  for (int c = 0; c < C; c += kLanes) store(out + c, load(token + c, C - c) + load(position + c, C - c), C - c);
}

double sum_of(const double (&lanes)[kLanes]) {
  double total = 0;
  for (double lane : lanes) total += lane;
  return total;
}

// In double, which is a thousandth of the work of the product behind it: so that the rounded result is the same on
// every path, and products start from equal inputs.
template <class Value>
void norm(const float* x, const float* gain, const float* bias, int C, float epsilon, float* out) {
  double lanes[kLanes] = {}, squares[kLanes] = {};
  for (int c = 0; c < C; c += kLanes) {
    for (int i = 0; i < least(kLanes, C - c); ++i) lanes[i] += x[c + i];
  }
  const double mean = sum_of(lanes) / C;
  for (int c = 0; c < C; c += kLanes) {
    for (int i = 0; i < least(kLanes, C - c); ++i) squares[i] += (x[c + i] - mean) * (x[c + i] - mean);
  }
  const double scale = 1 / __builtin_sqrt(sum_of(squares) / C + epsilon);
  for (int c = 0; c < C; ++c) out[c] = static_cast<float>((x[c] - mean) * scale * gain[c] + bias[c]);
  for (int c = 0; c < C; c += kLanes) store(out + c, rounded<Value>(load(out + c, C - c)), C - c);
}

// scores (length) = e^(scale * scores - maximum); returns their sum. What is behind `length` counts as e^-infinity.
float exponentials(float* scores, int length, float scale) {
  const float nothing = -__builtin_inff();
  for (int t = length; t < padded(length); ++t) scores[t] = nothing;
  Floats maximum = splat16(nothing);
  const Floats factor = splat16(scale);
  for (int t = 0; t < length; t += kLanes) {
    const Floats scaled = load(scores + t) * factor;
    store(scores + t, scaled);
    maximum = map([](Part a, Part b) { return a < b ? b : a; }, maximum, scaled);
  }
  float lanes[kLanes], largest = nothing;
  store(lanes, maximum);
  for (float lane : lanes) largest = largest < lane ? lane : largest;
  Floats total = {};
  const Floats offset = splat16(largest);
  for (int t = 0; t < length; t += kLanes) {
    const Floats weight = exp(load(scores + t) - offset);
    store(scores + t, weight);
    total = total + weight;
  }
  return sum(total);
}

// out (kParts16 x 16, `count` of them) = weights (length) values (length, D), from the first of these columns on
template <int kBlocks, class Value>
void mix(const float* weights, const Value* values, int D, int length, int count, float factor, float* out) {
  Floats sum[kBlocks] = {};
  for (int t = 0; t < length; ++t) {
    const Floats weight = splat16(weights[t]);
    const Value* row = values + int64_t(t) * D;
    for (int b = 0; b < kBlocks; ++b) sum[b] = fma(weight, load(row + b * kLanes, count - b * kLanes), sum[b]);
  }
  for (int b = 0; b < kBlocks; ++b)
    store(out + b * kLanes, rounded<Value>(sum[b] * splat16(factor)), count - b * kLanes);
}

template <class Value>
void attention(const float* q, const Value* keys, const Value* values, int D, int length, float* scores, float* out) {
  linear(q, 1, keys, D, length, scores, 0);
  const float factor = 1 / exponentials(scores, length, 1 / __builtin_sqrtf(static_cast<float>(D)));
  int d = 0;
  for (; d + 4 * kLanes <= D; d += 4 * kLanes) mix<4>(scores, values + d, D, length, 4 * kLanes, factor, out + d);
  for (; d < D; d += kLanes) mix<1>(scores, values + d, D, length, least(kLanes, D - d), factor, out + d);
}

template <class Value>
void round(const float* y, const float* bias, int n, float* out) {
  for (int i = 0; i < n; i += kLanes) store(out + i, rounded<Value>(load(y + i, n - i) + load(bias + i, n - i)), n - i);
}

template <class Value>
void store_rounded(const float* y, const float* bias, int n, Value* out) {
  for (int i = 0; i < n; i += kLanes) store(out + i, load(y + i, n - i) + load(bias + i, n - i), n - i);
}

// The tanh form: x / 2 (1 + tanh u) = x / (1 + e^-2u), u = sqrt(2 / pi) (x + 0.044715 x^3).
GPT2RUN_INLINE Part gelu_of(Part x) {
  const Part minus_two_u = x * fma(x * x, splat(-2 * 0.7978845608f * 0.044715f), splat(-2 * 0.7978845608f));
  return x / (exp(minus_two_u) + splat(1.0f));
}

template <class Value>
void gelu(const float* y, const float* bias, int n, float* out) {
  for (int i = 0; i < n; i += kLanes) {
    const Floats x = load(y + i, n - i) + load(bias + i, n - i);
    store(out + i, rounded<Value>(map([](Part part) { return gelu_of(part); }, x)), n - i);
  }
}

void accumulate(const float* y, const float* bias, int n, float* x) {
  for (int i = 0; i < n; i += kLanes)
    store(x + i, load(x + i, n - i) + (load(y + i, n - i) + load(bias + i, n - i)), n - i);
}

}  // namespace

template <class Value>
const Kernels<Value>& kernels() {
  static constexpr Kernels<Value> table = {embed<Value>, norm<Value>,          linear<Value>, attention<Value>,
                                           round<Value>, store_rounded<Value>, gelu<Value>,   accumulate};
  return table;
}
template const Kernels<float>& kernels<float>();
template const Kernels<f16>& kernels<f16>();
template const Kernels<bf16>& kernels<bf16>();

}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
