// POST /v1/distribution: the next token's distribution, and what a sampler keeps of it.
#pragma once
#include <memory>

#include "gpt2serve/command_line.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// Checks the body and begins a job that answers. Throws ApiError.
void run_distribution(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<Exchange>& exchange);

}  // namespace gpt2run
