// Selects the most likely tokens and writes them as JSON.
#include "alternatives.hpp"

#include <cmath>

#include "../common/token_text.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2run/sdk/log_softmax.hpp"

namespace gpt2run {
std::string alternatives(const TokenEvent& event, int count) {
  if (!event.logits) return "null";
  const std::span<const float> logits(event.logits, static_cast<size_t>(event.vocab));
  const SoftmaxSum softmax = softmax_sum(logits);
  const double log_sum = softmax.greatest + std::log(softmax.sum);
  std::string line = "[";
  for (const int32_t id : most_likely(logits, count)) {
    // The sampled token has the same log-probability here as in the list of log-probabilities.
    const float logprob = id == event.id ? event.logprob : static_cast<float>(logits[id] - log_sum);
    line.append(line.size() > 1 ? ", " : "").append("{\"id\": ").append(std::to_string(id));
    if (event.vocabulary) append_token_text(line, event.vocabulary->piece(id));
    append_number(line += ", \"probability\": ", static_cast<float>(std::exp(double(logprob))));
    append_number(line += ", \"logprob\": ", logprob);
    line += '}';
  }
  return line + ']';
}

}  // namespace gpt2run
