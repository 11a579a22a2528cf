// Greedy continuations of the same prompts by each precision, and where each first differs from the reference.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// The first token at which a test differs from the reference. The probabilities are those after the common tokens, as
// [side][token]: index 0 is the reference or its token, 1 the test or its token.
struct FirstDifference {
  int32_t step;  // the number of common tokens
  int32_t ref_token, test_token;
  double probabilities[2][2];
  double margin;  // between the reference's two largest logits
};

// One prompt's continuation by one precision.
struct Continuation {
  std::vector<int32_t> tokens;                      // the new tokens; the last one may be end-of-text
  std::optional<FirstDifference> first_difference;  // none for the reference, and for a test with the same tokens
};

// The limits of a session that continues these prompts by up to max_new tokens.
Limits continuation_limits(const ModelConfig& config, std::span<const Prompt> prompts, int32_t max_new, int32_t threads,
                           int32_t device);

// Continues the prompts by the most likely token each time. The result is indexed by [instance][prompt]; the first
// instance is the reference. argmax: a sampler in host memory. No prompt may be longer than the context. check: called
// at every step; it may throw. Throws Error.
std::vector<std::vector<Continuation>> continue_greedily(std::span<Instance> instances, Sampler& argmax,
                                                         std::span<const Prompt> prompts, int32_t max_new,
                                                         const std::function<void()>& check);

}  // namespace gpt2run
