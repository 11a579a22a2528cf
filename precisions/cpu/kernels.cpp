// The kernels for one instruction set (vector.hpp). This file is compiled once for each set. Everything in it is
// internal except for the tables at its end, or always inlined, and no template of the standard library is used.
// Otherwise the linker might keep the code for a wide machine for use on a lesser one.
#include "kernels.hpp"

#include "activations.hpp"
#include "linear.hpp"

namespace gpt2run::cpu::GPT2RUN_CPU_ISA {
namespace {

#if defined(GPT2RUN_CPU_AMX_ORDER)
template <class Value>
using Packing = TilePacking<Value>;
template <class Value>
using Rounded = std::conditional_t<std::is_same_v<Value, float>, TwoBf16, Value>;
#else
template <class Value>
using Packing = VectorPacking<Value>;
template <class Value>
using Rounded = Value;  // what inputs of products are rounded to
#endif

// Queries that attention takes at once. Tiles are 16 rows high; vectors compute kRows rows at a time.
#if defined(GPT2RUN_CPU_TILES)
constexpr int kOwnQueries = kMostQueries;
#else
constexpr int kOwnQueries = kQueries;
#endif

// Whether there is attention for any queries. The products of other orders take values of the type only.
#if defined(GPT2RUN_CPU_DOT) || defined(GPT2RUN_CPU_AMX_ORDER)
constexpr bool kAnyQueries = false;
#else
constexpr bool kAnyQueries = true;
#endif

double sum_of(const double (&lanes)[kLanes]) {
  double total = 0;
  for (double lane : lanes) total += lane;
  return total;
}

// Calls f(c, count) for consecutive lanes of all c < C: 16 at a time, then the rest. In the main loop the compiler
// knows the count.
template <class F>
GPT2RUN_INLINE void for_lanes(int C, const F& f) {
  int c = 0;
  for (; c + kLanes <= C; c += kLanes) f(c, kLanes);
  if (c < C) f(c, C - c);
}

// Layernorm, computed in double. That costs a thousandth of the product that follows, and makes the rounded result the
// same on every path, so that all products start from equal inputs.
template <class Value>
void norm(const float* x, const float* gain, const float* bias, int C, float epsilon, float* out) {
  double lanes[kLanes] = {}, squares[kLanes] = {};
  for_lanes(C, [&](int c, int count) {
    for (int i = 0; i < count; ++i) lanes[i] += x[c + i];
  });
  const double mean = sum_of(lanes) / C;
  for_lanes(C, [&](int c, int count) {
    for (int i = 0; i < count; ++i) squares[i] += (x[c + i] - mean) * (x[c + i] - mean);
  });
  const double scale = 1 / __builtin_sqrt(sum_of(squares) / C + epsilon);
  for_lanes(C, [&](int c, int count) {
    for (int i = 0; i < count; ++i)
      out[c + i] = static_cast<float>((x[c + i] - mean) * scale * gain[c + i] + bias[c + i]);
    store(out + c, rounded<Value>(load(out + c, count)), count);
  });
}

// scores (length) = e^(scale * scores - maximum); returns their sum. Padding after `length` counts as e^-infinity.
float exponentials(float* scores, int length, float scale) {
  const float nothing = -__builtin_inff();
  for (int t = length; t < padded(length, kLanes); ++t) scores[t] = nothing;
  Floats maximum = splat16(nothing);
  const Floats factor = splat16(scale);
  for (int t = 0; t < length; t += kLanes) {
    const Floats scaled = load(scores + t) * factor;
    store(scores + t, scaled);
    maximum = map([](Vector a, Vector b) { return larger(a, b); }, maximum, scaled);
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

// The rows and registers of D that one weighted sum computes at a time.
constexpr int kSumRows = kWidth == 4 ? 3 : 6, kSumLanes = kWidth == 16 ? 4 : 1;

// Adds one position: sum (kR, kB x 16 lanes) += weights[r] x value.
template <int kR, int kB, class Value>
GPT2RUN_INLINE void add_weighted(const float* weights, int64_t stride, const Value* row, int count,
                                 Floats (&sum)[kR][kB]) {
  for (int b = 0; b < kB; ++b) {
    const Floats value = load(row + b * kLanes, count - b * kLanes);
    for (int r = 0; r < kR; ++r) sum[r][b] = fma(splat16(weights[r * stride]), value, sum[r][b]);
  }
}

// The weighted sum over values: out (kR rows, `count` of kB x 16 columns) = weights x values. Row r uses length + r
// positions. Later ones must not be touched, because 0 times infinity is NaN. Out: what the sum is rounded to.
template <int kR, int kB, class Out, class Value>
void weighted_sum(const float* weights, int64_t stride, const Value* values, int D, int length, int count,
                  const float* factors, float* out, int64_t out_stride) {
  Floats sum[kR][kB] = {};
  for (int t = 0; t < length; ++t) add_weighted<kR, kB>(weights + t, stride, values + int64_t(t) * D, count, sum);
  for (int r = 1; r < kR; ++r) {
    Floats own[1][kB];
    for (int b = 0; b < kB; ++b) own[0][b] = sum[r][b];
    for (int t = length; t < length + r; ++t)
      add_weighted<1, kB>(weights + r * stride + t, stride, values + int64_t(t) * D, count, own);
    for (int b = 0; b < kB; ++b) sum[r][b] = own[0][b];
  }
  for (int r = 0; r < kR; ++r) {
    for (int b = 0; b < kB; ++b)
      store(out + r * out_stride + b * kLanes, rounded<Out>(sum[r][b] * splat16(factors[r])), count - b * kLanes);
  }
}

// Out: what q and out are values of.
template <class Out, class Value>
void attention(const float* q, int rows, int64_t stride, const Value* keys, const Value* values, int D, float scale,
               int length, float* scores, int64_t scores_stride, float* out, float* workspace) {
  const int positions = padded(length + rows - 1, Packing<Value>::Keys::panel);
  if constexpr (std::is_same_v<Out, Value>)
    score(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
  else
    product<float>(q, rows, stride, keys, D, positions, scores, scores_stride, workspace);
  float factors[kOwnQueries];
  for (int r = 0; r < rows; ++r) factors[r] = 1 / exponentials(scores + r * scores_stride, length + r, scale);
  for (int first = 0; first < rows; first += kSumRows) {
    with_rows<kSumRows>(least(kSumRows, rows - first), [&]<int kR>() {
      const float* weights = scores + first * scores_stride;
      float* to = out + first * stride;
      const int own = length + first;
      int d = 0;
      for (; d + kSumLanes * kLanes <= D; d += kSumLanes * kLanes)
        weighted_sum<kR, kSumLanes, Out>(weights, scores_stride, values + d, D, own, kSumLanes * kLanes,
                                         factors + first, to + d, stride);
      for (; d < D; d += kLanes)
        weighted_sum<kR, 1, Out>(weights, scores_stride, values + d, D, own, least(kLanes, D - d), factors + first,
                                 to + d, stride);
    });
  }
}

template <class Value>
void round(const float* y, const float* bias, int n, float* out) {
  for (int i = 0; i < n; i += kLanes) store(out + i, rounded<Value>(load(y + i, n - i) + load(bias + i, n - i)), n - i);
}

template <class Value>
void store_rounded(const float* y, const float* bias, int n, Value* out) {
  for (int i = 0; i < n; i += kLanes) store(out + i, load(y + i, n - i) + load(bias + i, n - i), n - i);
}

template <class Value, Activation kActivation>
void activate(const float* y, const float* bias, int n, float* out) {
  for (int i = 0; i < n; i += kLanes) {
    const Floats x = load(y + i, n - i) + load(bias + i, n - i);
    store(out + i, rounded<Value>(map([](Vector part) { return activated<kActivation>(part); }, x)), n - i);
  }
}

void accumulate(const float* y, const float* bias, int n, float* x) {
  for (int i = 0; i < n; i += kLanes)
    store(x + i, load(x + i, n - i) + (load(y + i, n - i) + load(bias + i, n - i)), n - i);
}

}  // namespace

template <class Value>
const Kernels<Value>& kernels() {
  static constexpr Kernels<Value> table = {
      Isa::GPT2RUN_CPU_ISA,
      kOwnQueries,
      norm<Rounded<Value>>,
      static_cast<decltype(Kernels<Value>::linear)>(linear),
      attention<Rounded<Value>, Value>,
      kAnyQueries ? attention<float, Value> : nullptr,
      round<Value>,
      store_rounded<Value>,
      {activate<Rounded<Value>, Activation::gelu_tanh>, activate<Rounded<Value>, Activation::gelu_erf>,
       activate<Rounded<Value>, Activation::relu>, activate<Rounded<Value>, Activation::silu>,
       activate<Rounded<Value>, Activation::tanh>},
      accumulate};
  return table;
}
#if !defined(GPT2RUN_CPU_DOT)
template const Kernels<f16>& kernels<f16>();
template const Kernels<float>& kernels<float>();
#endif
template const Kernels<bf16>& kernels<bf16>();

}  // namespace gpt2run::cpu::GPT2RUN_CPU_ISA
