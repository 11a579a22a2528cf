// Reads every weight once. Each tensor is measured by a single thread, so that its sums have a fixed order.
#include "gpt2run/evaluation/rounding_report.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <system_error>
#include <thread>

#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/processors.hpp"

namespace gpt2run {
namespace {

struct Sums {
  double squares = 0, errors = 0;
};

void add(float x, Type to, RoundingReport& result, Sums& sums) {
  if (!std::isfinite(x)) {
    ++result.not_finite;
    return;
  }
  const float rounded = round_to(to, x);
  result.largest = std::max(result.largest, double{std::abs(x)});
  if (std::isinf(rounded)) {
    ++result.overflow;
    return;
  }
  if (rounded == 0)
    result.underflow += x != 0;
  else
    result.subnormal += std::abs(rounded) < smallest_normal_of(to);
  const double error = double{rounded} - x;
  sums.squares += double{x} * x;
  sums.errors += error * error;
}

void measure(const Tensor& t, Type to, RoundingReport& result) {
  Sums sums;
  // Go along contiguous values, whichever way the file stores the matrix.
  const bool by_rows = t.col_stride <= t.row_stride;
  const int64_t outer = by_rows ? t.rows : t.cols, inner = by_rows ? t.cols : t.rows;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) add(by_rows ? at(t, i, j) : at(t, j, i), to, result, sums);
  }
  result.count = t.rows * t.cols;
  result.error = sums.squares > 0 ? std::sqrt(sums.errors / sums.squares) : 0;
}

}  // namespace

std::vector<RoundingReport> rounding_report_of(const Checkpoint& model, Type to) {
  const ModelConfig& m = model.config();
  std::vector<RoundingReport> results;
  std::vector<Tensor> tensors;
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
      const Tensor tensor = model.tensor(weight, layer);
      if (weight == Weight::head_w && tensor.data == tensors.front().data) continue;
      tensors.push_back(tensor);
      results.push_back({weight, layer, tensor.type, 0, 0, 0, 0, 0, 0, 0});
    }
  }
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < tensors.size(); i = next++) measure(tensors[i], to, results[i]);
  };
  std::vector<std::jthread> workers;
  for (int n = 1; n < processors(); ++n) {
    try {
      workers.emplace_back(work);
    } catch (const std::system_error&) {  // no more threads available: the others do the work
      break;
    }
  }
  work();
  workers.clear();
  return results;
}

}  // namespace gpt2run
