// POST /v1/compare: feeds a text to several precisions and compares their distributions, token by token.
#pragma once
#include <memory>

#include "gpt2serve/command_line.hpp"
#include "gpt2serve/evaluation_queue.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// The precisions of a comparison, by the fields `reference` and `tests`.
struct Sides {
  ModelEngine* reference;
  std::vector<ModelEngine*> tests;
};
// Throws ApiError, also for a precision that is named twice.
Sides sides_of(const Fields& fields, const ModelSet& models);

// Checks the body and begins a job that answers, when its turn comes. Throws ApiError.
void run_comparison(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<EvaluationQueue>& queue,
                    const std::shared_ptr<Exchange>& exchange);

}  // namespace gpt2run
