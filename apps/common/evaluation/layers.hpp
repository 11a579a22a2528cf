// Where two runs of a network part: what every operation wrote, held against the reference's, on the same rows; and how
// large and how small these numbers are, which tells what FP16 would do to them.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "common/evaluation/texts.hpp"

namespace gpt2run {

// One operation of one layer over all rows. layer: -1 outside of the layers (embed, norm_logits). With r what the
// reference wrote and t the test, and |r| = sqrt(mean r^2) the reference's RMS:
//   rms_error  sqrt(mean (t - r)^2) / |r|
//   max_error  max |t - r| / |r|
// Equal outputs have exactly 0; where one of them only is infinite, or they have other signs, the error is infinite; a
// NaN on either side, or on both, makes it NaN.
struct OpError {
  std::string op;
  int32_t layer;
  double rms_error, max_error;
};

// Of what one instance wrote:
//   max              max |x|
//   headroom         65504 / max, how many times it could grow before FP16 has no number for it; infinite for zeros
//   subnormal_share  of the values that are not 0, those below 2^-14: FP16 has fewer bits for them, or none
//   nans             values that are NaN
// Values that are not finite count in max as infinity.
struct OpRange {
  std::string op;
  int32_t layer;
  double max, headroom, subnormal_share;
  int64_t nans;
};

struct LayerTest {
  std::string name;
  bool tapped;                        // false: it cannot tell what its operations write, and the rest is empty
  std::optional<double> threshold;    // of rms_error; none: nothing is known of a type
  std::vector<OpError> errors;        // in the order of a pass
  std::optional<size_t> first_above;  // of errors; NaN is above any threshold
  std::vector<OpRange> ranges;
};

struct Layers {
  std::string reference;
  bool tapped;                  // as above; false: no test has errors
  int64_t rows;                 // that were fed
  std::vector<OpRange> ranges;  // of the reference
  std::vector<LayerTest> tests;
};

// Half a unit in the last place of a number near 1: fp32 2^-24, fp16 2^-11, bf16 2^-8; none of a type that is neither.
std::optional<double> roundoff_of(const BoundPlugin& precision);

// A threshold for a test that is right. Rounding the inputs of one operation's products to a type of roundoff u leaves
// an error of about u of its RMS, for they are independent; the residual passes through 2 L such sums one after
// another, so that it grows like their root, sqrt(2 L) u. Ten times that, u being the coarser of the two, is beyond
// rounding. None where a roundoff is not known.
std::optional<double> default_threshold(const Instance& reference, const Instance& test);

// instances: the reference, then tests, each with a session for these windows; their slot 0 is used. Feeds the windows
// until `rows` rows are fed. threshold: 0 for default_threshold(). check: called every few rows, may throw. Memory:
// what a few rows write, of the reference. Throws Error when the operations of two instances have not the same shapes.
Layers compare_layers(std::span<const Instance> instances, std::span<const Window> windows, int64_t rows,
                      double threshold, const std::function<void()>& check);

// "norm_qkv of layer 3", "embed".
std::string position_of(const std::string& op, int32_t layer);

// "the first operation of NAME that writes NaN is norm_qkv of layer 3"; "" where none does.
std::string first_nan(const std::string& instance, std::span<const OpRange> ranges);
// Of the first instance that writes NaN over these windows, which are fed as above; whatever their shapes.
std::string first_nan(std::span<const Instance> instances, std::span<const Window> windows,
                      const std::function<void()>& check);

}  // namespace gpt2run
