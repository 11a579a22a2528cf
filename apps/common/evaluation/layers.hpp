// Layer-by-layer comparison: the output of every operation of a test against the reference's, on the same rows. It
// shows in which operation two precisions begin to differ. The range of the outputs shows what FP16 would do to them.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "common/evaluation/op_sums.hpp"
#include "common/evaluation/texts.hpp"

namespace gpt2run {

// The results of one test.
struct LayerTest {
  std::string name;
  bool tapped;                        // false: its session has no taps, and the rest is empty
  std::optional<double> threshold;    // for rms_error; none where the roundoff of a type is not known
  std::vector<OpError> errors;        // in the order in which a step runs the operations
  std::optional<size_t> first_above;  // index of the first of `errors` above the threshold, as NaN always is
  std::vector<OpRange> ranges;
};

// The results of compare_layers().
struct Layers {
  std::string reference;        // its name
  bool tapped;                  // false: the reference has no taps, so no test has errors
  int64_t rows;                 // how many were compared
  std::vector<OpRange> ranges;  // of the reference
  std::vector<LayerTest> tests;
};

// The unit roundoff of the precision's type, half a unit in the last place of 1: 2^-24 for fp32, 2^-11 for fp16, 2^-8
// for bf16. None for other types.
std::optional<double> roundoff_of(const BoundPlugin& precision);

// A threshold for rms_error that rounding alone does not exceed. Rounding the inputs of one matrix product to a type of
// roundoff u leaves a relative RMS error of about u, because the rounding errors are independent. The residual stream
// accumulates 2 L such products, so the error grows to about sqrt(2 L) u. The threshold is ten times that, with u the
// coarser of the two types. None where a roundoff is not known.
std::optional<double> default_threshold(const Instance& reference, const Instance& test);

// Runs the reference and the tests over the first `rows` rows of the windows and compares what their operations write.
// instances: the reference first; each has a session whose slot 0 is used. threshold: 0 for default_threshold(). check:
// called every few rows; it may throw. The outputs of a few rows are kept in memory at a time. Throws Error when the
// operations of two instances have different shapes.
Layers compare_layers(std::span<const Instance> instances, std::span<const Window> windows, int64_t rows,
                      double threshold, const std::function<void()>& check);

// The name of an operation in reports, such as "norm_qkv of layer 3" or "embed".
std::string position_of(const std::string& op, int32_t layer);

// Such as "the first operation of NAME that writes NaN is norm_qkv of layer 3"; "" when none does.
std::string first_nan(const std::string& instance, std::span<const OpRange> ranges);
// The same for the first instance that writes NaN when it runs over these windows. Their shapes may differ.
std::string first_nan(std::span<const Instance> instances, std::span<const Window> windows,
                      const std::function<void()>& check);

}  // namespace gpt2run
