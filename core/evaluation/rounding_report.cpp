// Reads every weight once. Each tensor is measured by a single thread, so that its sums have a fixed order.
#include "gpt2run/evaluation/rounding_report.hpp"

#include <algorithm>
#include <cmath>

#include "each_tensor.hpp"
#include "gpt2run/sdk/float16.hpp"

namespace gpt2run {
namespace {

void add(float x, Type to, RoundingReport& result, RelativeError& sum) {
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
  sum.add(x, rounded);
}

void measure(const Tensor& t, Type to, RoundingReport& result) {
  RelativeError sum;
  // Go along contiguous values, whichever way the file stores the matrix.
  const bool by_rows = t.col_stride <= t.row_stride;
  const int64_t outer = by_rows ? t.rows : t.cols, inner = by_rows ? t.cols : t.rows;
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) add(by_rows ? at(t, i, j) : at(t, j, i), to, result, sum);
  }
  result.count = t.rows * t.cols;
  result.error = sum.value();
}

}  // namespace

std::vector<RoundingReport> rounding_report_of(const Checkpoint& model, Type to) {
  const std::vector<NamedTensor> tensors = tensors_of(model);
  std::vector<RoundingReport> results;
  for (const auto& [weight, layer, tensor] : tensors)
    results.push_back({weight, layer, tensor.type, 0, 0, 0, 0, 0, 0, 0});
  on_all_processors(tensors.size(), [&](size_t i) { measure(tensors[i].tensor, to, results[i]); });
  return results;
}

}  // namespace gpt2run
