// What the lens and the attention weights say of one text, as the sinks of these names have it.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "run_taps.hpp"

namespace gpt2run::python {

// L layers of the model, T tokens of the text, K tokens of a reading. Where nothing can be said, because of a NaN, ids
// are -1, ranks 0 and probabilities NaN.
struct LensArrays {
  std::vector<int32_t> tokens;           // (L + 1, T, K): the most likely next ones, the most likely first
  std::vector<float> probabilities;      // (L + 1, T, K)
  std::vector<int32_t> final;            // (T): the most likely token after the last layer
  std::vector<float> final_probability;  // (L + 1, T)
  std::vector<int32_t> final_rank;       // (L + 1, T): 1 for the most likely one
};

// Reads the residual stream of a text after the embedding and after each layer, by the precision's own end. top: K, 1
// to V. Throws Error as score() does, and for a precision that cannot.
LensArrays lens(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, int32_t top,
                const Inside& inside, const Check& check);

// The attention weights of a text in some layers: (layers, H, T, T), where [l, h, i, j] is the weight of token j for
// token i, and 0 for j > i. Throws Error as score() does, for a layer that is not there, and for a precision that
// cannot.
std::vector<float> attention(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids,
                             const std::vector<int32_t>& layers, const Inside& inside, const Check& check);

}  // namespace gpt2run::python
