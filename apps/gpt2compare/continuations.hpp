// What each precision writes on its own after the same prompt, and where it leaves the reference.
#pragma once
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// The first token that is another one. Probabilities are those after the common beginning: p[side][token], 0 for the
// reference, 1 for the test.
struct Parting {
  int32_t step;  // tokens in common
  int32_t ref_token, test_token;
  double probabilities[2][2];
  double margin;  // the reference's, between its best and its second logit
};

struct Continuation {
  std::vector<int32_t> tokens;     // of the end of text at last, where it came to that
  std::optional<Parting> parting;  // none: the reference's, or the same as the reference's
};

// What a session must hold to continue these prompts.
Limits continuation_limits(const ModelConfig& config, std::span<const Prompt> prompts, int32_t max_new, int32_t threads,
                           int32_t device);

// The most likely token each time. [instance][prompt]; the first instance is the reference. argmax: a host sampler. A
// prompt is no longer than the context. check: called at every step, may throw. Throws Error.
std::vector<std::vector<Continuation>> continue_greedily(std::span<Instance> instances, Sampler& argmax,
                                                         std::span<const Prompt> prompts, int32_t max_new,
                                                         const std::function<void()>& check);

}  // namespace gpt2run
