// Computes the weights of a synthetic model.
#include "generator.hpp"

#include <algorithm>
#include <cmath>
#include <system_error>
#include <thread>
#include <vector>

#include "gpt2run/sdk/processors.hpp"

namespace gpt2run::synthetic {
namespace {

constexpr uint64_t kStep = 0x9E3779B97F4A7C15;

// The finalizer of splitmix64.
uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// The parameters of a weight's distribution.
struct Normal {
  uint64_t key;
  float scale, mean;
};

Normal normal_of(const Spec& spec, Weight weight, int layer) {
  // The standard deviation of the sum of four uniform 16-bit numbers, whose variance is 4 (2^32 - 1) / 12.
  const double sum_deviation = std::sqrt(1431655765.0);
  const bool residual = weight == Weight::proj_w || weight == Weight::down_w;
  const double deviation = residual ? spec.deviation / std::sqrt(2.0 * spec.model.L) : spec.deviation;
  const bool gain = weight == Weight::ln1_w || weight == Weight::ln2_w || weight == Weight::lnf_w;
  const uint64_t number = static_cast<uint64_t>(layer) * kWeights + static_cast<uint64_t>(weight);
  return {mix(spec.seed * kStep + number), static_cast<float>(deviation / sum_deviation), gain ? 1.f : 0.f};
}

void fill_range(const Normal& normal, int64_t begin, int64_t end, float* values) {
  for (int64_t i = begin; i < end; ++i) {
    const uint64_t x = mix(normal.key + static_cast<uint64_t>(i) * kStep);
    const uint64_t pairs = (x & 0x0000FFFF0000FFFF) + (x >> 16 & 0x0000FFFF0000FFFF);
    const auto sum = static_cast<int32_t>((pairs & 0xFFFFFFFF) + (pairs >> 32));
    values[i] = static_cast<float>(sum - 131070) * normal.scale + normal.mean;
  }
}

// Puts a few huge values into channel C / 3, as real GPT-2 models have. Every position embedding except the first is
// -50 standard deviations there, so that the layernorms of layer 0 give about -sqrt(C), and the two rows below compute
// -131008:
//   - a key of head 0, whose query is 1. FP16 rounds it to -infinity. The head then attends to position 0 only (where
//     the channel is ordinary and the key finite), as it does in FP32, so a correct FP16 path gives finite logits.
//   - a hidden unit of the MLP. The input of GELU is FP32 in every rounding contract, and GELU makes it 0. A path that
//     rounds this input to FP16 computes -infinity times 0.
// With C of 48 or more, position 0 does not overflow in FP16.
void add_outliers(const Spec& spec, Weight weight, int layer, float* values) {
  const int64_t C = spec.model.C, channel = C / 3;
  const auto huge = static_cast<float>(131008.0 / std::sqrt(static_cast<double>(C)));
  const auto set_row = [&](int64_t row) {
    std::fill_n(values + row * C, C, 0.f);
    values[row * C + channel] = huge;
  };
  if (weight == Weight::wpe) {
    const auto far = static_cast<float>(-50.0 * spec.deviation);
    for (int64_t t = 1; t < spec.model.T; ++t) values[t * C + channel] = far;
  }
  if (layer != 0) return;
  if (weight == Weight::qkv_w) {
    std::fill_n(values, C, 0.f);
    set_row(C);
  }
  if (weight == Weight::qkv_b) {
    values[0] = 1;
    values[C] = 0;
  }
  if (weight == Weight::up_w) set_row(0);
  if (weight == Weight::up_b) values[0] = 0;
}

}  // namespace

void fill(const Spec& spec, Weight weight, int layer, float* values) {
  constexpr int64_t kWorthAThread = 1 << 18;
  const Shape shape = shape_of(weight, spec.model);
  const int64_t count = shape.rows * shape.cols;
  const Normal normal = normal_of(spec, weight, layer);
  const int64_t parts = std::clamp<int64_t>(count / kWorthAThread, 1, std::min<int64_t>(processors(), 32));
  std::vector<std::jthread> workers;
  for (int64_t part = 1; part < parts; ++part) {
    const int64_t begin = count * part / parts, end = count * (part + 1) / parts;
    try {
      workers.emplace_back(fill_range, normal, begin, end, values);
    } catch (const std::system_error&) {  // no more threads are available, and the values are the same without
      fill_range(normal, begin, end, values);
    }
  }
  fill_range(normal, 0, count / parts, values);
  workers.clear();
  if (spec.outliers) add_outliers(spec, weight, layer, values);
}

}  // namespace gpt2run::synthetic
