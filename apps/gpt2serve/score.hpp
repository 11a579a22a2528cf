// POST /v1/score: the log-probabilities and the perplexity of a text.
#pragma once
#include <memory>

#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// Checks the body and begins a job that answers. Throws ApiError.
void run_score(const ModelSet& models, const std::shared_ptr<Exchange>& exchange);

}  // namespace gpt2run
