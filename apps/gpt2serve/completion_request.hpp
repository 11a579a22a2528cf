// CompletionRequest: the body of POST /v1/completions, checked.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpt2run/engine/prompt.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

struct CompletionRequest {
  ModelEngine* engine = nullptr;
  std::vector<Prompt> prompts;  // text: empty for one that was given as ids
  int64_t max_tokens = 16;
  int32_t n = 1;
  uint64_t seed = 0;
  std::vector<std::string> stops;
  std::optional<int32_t> logprobs;  // alternatives of each token
  bool echo = false, stream = false, include_usage = false, ignore_eos = false, command = false;
  SamplerPlan plan;

  size_t choices() const { return prompts.size() * static_cast<size_t>(n); }
};

// The fields temperature, top_k, top_p and min_p, as they are given. Throws ApiError naming the field.
SamplingRequest nucleus_fields(const Fields& fields);

// Throws ApiError naming the field. most_choices: prompts x n.
CompletionRequest parse_completion(const std::string& body, const ModelSet& models, int64_t most_choices);

}  // namespace gpt2run
