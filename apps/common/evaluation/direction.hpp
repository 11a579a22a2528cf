// Direction of a difference, apart from its size: of the tokens that a test changes, how many it changes for the better
// of the text. Two tests with the same divergence may differ in this ("Displacement Is Not Direction").
#pragma once
#include "common/evaluation/token_metrics.hpp"

namespace gpt2run {

// A target is changed if the test's most likely token is another than that of the reference. It is better if the token
// that really follows has a higher probability in the test than in the reference, and worse if it has a lower one.
struct Direction {
  int64_t changed, better, worse;  // changed - better - worse have the same probability
  double share;                    // better / changed; NaN if nothing is changed
  double low, high;                // the 95 % interval of the share; NaN if nothing is changed
};

// The interval is Wilson's for m independent changes, where m takes account of neighbours that depend on each other.
// With b_i and c_i the indicators of better and of changed at target i, the share f = sum b / sum c is a ratio of two
// means, whose standard error e is the batch_standard_error_of() the series (b_i - f c_i) / mean(c). Then
// m = f (1 - f) / e^2, at most the number of changes; m is that number where f is 0 or 1, or e is not above 0.
Direction direction_of(const TokenMetrics& series);

}  // namespace gpt2run
