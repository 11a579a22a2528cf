// The error and the range of an operation's outputs, and the sums from which they are made.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace gpt2run {

// The error of one operation in one layer, over all rows. layer: -1 for operations outside of the layers (embed,
// norm_logits). With r the outputs of the reference, t those of the test, and |r| = sqrt(mean r^2) the RMS of the
// reference:
//   rms_error  sqrt(mean (t - r)^2) / |r|
//   max_error  max |t - r| / |r|
// Equal outputs give exactly 0. If only one side is infinite, or both with different signs, the error is infinite. A
// NaN on either side makes it NaN.
struct OpError {
  std::string op;
  int32_t layer;
  double rms_error, max_error;
};

// The range of one operation's outputs in one instance:
//   max              max |x|, where values that are not finite count as infinity
//   headroom         65504 / max: by which factor the values could grow before they overflow in FP16;
//                    infinite if all are 0
//   subnormal_share  the share of the non-zero values that is below 2^-14, so that FP16 stores it with
//                    fewer bits or as 0
//   nans             how many values are NaN
struct OpRange {
  std::string op;
  int32_t layer;
  double max, headroom, subnormal_share;
  int64_t nans;
};

// The sums that make an OpRange.
struct OpRangeSum {
  double max = 0;
  int64_t nonzero = 0, subnormal = 0, nans = 0;

  void add(float x) {
    constexpr double kLeastOfFp16 = 0x1p-14;
    const double size = std::isfinite(x) ? std::abs(static_cast<double>(x)) : std::numeric_limits<double>::infinity();
    max = std::max(max, size);
    nans += std::isnan(x);
    nonzero += size > 0;
    subnormal += size > 0 && size < kLeastOfFp16;
  }
  OpRange result(const std::string& op, int32_t layer) const {
    constexpr double kMostOfFp16 = 65504;
    const double share = nonzero > 0 ? static_cast<double>(subnormal) / static_cast<double>(nonzero) : 0;
    return {op, layer, max, kMostOfFp16 / max, share, nans};
  }
};

// The sums that make an OpError.
struct OpErrorSum {
  double errors = 0, squares = 0, max = 0;  // the sum of (t - r)^2, the sum of r^2, the maximum of |t - r|
  bool has_nan = false;                     // on either side

  void add(float reference, float test) {
    const double r = reference, t = test;
    if (std::isfinite(r)) squares += r * r;
    if (r == t) return;
    if (std::isnan(r) || std::isnan(t)) return void(has_nan = true);
    const double error =
        std::isfinite(r) && std::isfinite(t) ? std::abs(t - r) : std::numeric_limits<double>::infinity();
    errors += error * error;
    max = std::max(max, error);
  }
  // count: how many pairs were added.
  OpError result(const std::string& op, int32_t layer, int64_t count) const {
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    if (has_nan) return {op, layer, kNan, kNan};
    if (errors == 0) return {op, layer, 0, 0};
    const double rms = std::sqrt(squares / static_cast<double>(count));
    return {op, layer, std::sqrt(errors / squares), max / rms};
  }
};

}  // namespace gpt2run
