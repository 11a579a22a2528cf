#include "gpt2serve/score.hpp"

#include <cmath>

#include "gpt2serve/evaluation_job.hpp"
#include "gpt2serve/token_lists.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kMostTop = 20;

// The log-probability of every token of a text but the first.
class Score final : public EvaluationJob {
 public:
  Score(const ModelSet& models, std::shared_ptr<Exchange> exchange, ModelEngine& engine, std::vector<int32_t> tokens,
        int32_t top)
      : EvaluationJob(models, std::move(exchange)), engine_(engine), tokens_(std::move(tokens)), top_count_(top) {
    this->exchange().set_tokens(std::ssize(tokens_), 0);
  }

  void token(const TokenEvent& event) override {
    logprobs_.push_back(event.logprob);
    tops_.push_back(top_count_ > 0 && event.logits
                        ? top_tokens({event.logits, static_cast<size_t>(event.vocab)}, top_count_)
                        : TopTokens());
  }

 private:
  void next() override {
    if (!logprobs_.empty()) return write();
    Request request;
    request.tokens = tokens_;
    request.max_new = 0;
    request.wants = kPrompt | kLogprob | (top_count_ > 0 ? kLogits : 0u);
    submit(engine_, std::move(request));
  }

  void write() {
    double sum = 0;
    for (size_t i = 1; i < logprobs_.size(); ++i) sum -= static_cast<double>(logprobs_[i]);
    const double mean = sum / static_cast<double>(logprobs_.size() - 1);
    JsonWriter json(-1);
    json.begin_object();
    json.field("object", "score");
    json.field("model", engine_.model().id);
    write_tokens(json, tokens_, models());
    write_list(json, "logprobs", logprobs_, [&](float one) { write_number(json, one); });
    if (top_count_ > 0) write_list(json, "top", tops_, [&](const TopTokens& one) { write_top(json, one, models()); });
    json.field("targets", logprobs_.size() - 1);
    number_field(json, "mean_nll", mean);
    number_field(json, "perplexity", std::exp(mean));
    json.end_object();
    answer(json.json());
  }

  ModelEngine& engine_;
  const std::vector<int32_t> tokens_;
  const int32_t top_count_;
  std::vector<float> logprobs_;  // NaN for the first
  std::vector<TopTokens> tops_;
};

}  // namespace

void run_score(const ModelSet& models, const std::shared_ptr<Exchange>& exchange) {
  constexpr std::string_view kFields[] = {"model", "input", "top"};
  const Fields fields(exchange->request().body, kFields);
  ModelEngine& engine = models.find(fields.text("model").value_or(""));
  const auto top = static_cast<int32_t>(fields.integer("top", 0, kMostTop).value_or(0));
  std::vector<int32_t> tokens = models.input(fields, "input", 2, models.most_prompt());
  std::make_shared<Score>(models, exchange, engine, std::move(tokens), top)->run();
}

}  // namespace gpt2run
