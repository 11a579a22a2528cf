// The perplexity of evaluate.hpp.
#include <cmath>

#include "common/evaluation/protocol.hpp"
#include "evaluate.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/evaluation/teacher_forcing.hpp"

namespace gpt2run::python {
namespace {

// The bytes of the text of a window's targets; none if some target has no text.
std::optional<int64_t> bytes_of(std::span<const int32_t> targets, const Tokenizer* tokenizer) {
  int64_t bytes = 0;
  for (const int32_t id : targets) {
    if (!tokenizer || id >= tokenizer->size()) return std::nullopt;
    bytes += std::ssize(tokenizer->piece(id));
  }
  return bytes;
}

}  // namespace

PerplexityResult perplexity(const std::shared_ptr<OpenModel>& model, const std::vector<std::vector<int32_t>>& texts,
                            const std::string& protocol, int32_t max_length, int32_t stride, const Check& check) {
  ModelConfig config = model->config();
  config.T = std::min(config.T, model->limits().context);
  if (max_length < 0 || stride < 0)
    usage_error("max_length and stride: expected 0 or more, found ", max_length, " and ", stride);
  const Rule rule = rule_of(protocol, max_length, stride, config);
  std::vector<Prompt> prompts;
  for (const std::vector<int32_t>& ids : texts) prompts.push_back({"", ids});
  prepare(rule, config.end_of_text, prompts);
  const std::vector<ScoredWindow> windows = windows_of(rule, prompts);

  const Use use(model, false, check);
  TeacherForcing forced(model->session(), std::min(kLogitRows, model->limits().logit_rows));
  PerplexityResult result{};
  result.bytes = 0;
  for (const ScoredWindow& window : windows) {
    const auto tokens = std::span<const int32_t>(prompts[window.text].tokens)
                            .subspan(static_cast<size_t>(window.begin), static_cast<size_t>(window.length));
    int32_t position = window.begin + window.first;
    for (const float logprob : forced.logprobs(tokens, window.first)) {
      if (std::isnan(logprob))
        fail(model->precision(), ": text ", window.text, ", token ", position,
             ": expected a log-probability, found NaN");
      result.nll.push_back(-static_cast<double>(logprob)), ++position;
    }
    const auto bytes = bytes_of(tokens.subspan(static_cast<size_t>(window.first)), model->tokenizer());
    result.bytes = bytes && result.bytes ? std::optional(*result.bytes + *bytes) : std::nullopt;
    check();
  }
  result.mean = mean_of(result.nll);
  result.standard_error = standard_error_of(result.nll);
  result.batch_standard_error = batch_standard_error_of(result.nll);
  return result;
}

}  // namespace gpt2run::python
