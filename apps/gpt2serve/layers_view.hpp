// POST /v1/layers: compares what the operations of precisions write for the first tokens of a text.
#pragma once
#include <memory>

#include "gpt2serve/command_line.hpp"
#include "gpt2serve/evaluation_queue.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// Checks the body and begins a job that answers, when its turn comes. Throws ApiError.
void run_layers(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<EvaluationQueue>& queue,
                const std::shared_ptr<Exchange>& exchange);

}  // namespace gpt2run
