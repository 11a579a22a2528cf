#include "gpt2serve/distribution.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gpt2run/sdk/log_softmax.hpp"
#include "gpt2run/sdk/select.hpp"
#include "gpt2serve/evaluation_job.hpp"
#include "gpt2serve/nucleus_view.hpp"
#include "gpt2serve/token_lists.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kFields[] = {"model", "models", "input", "temperature", "top_k",
                                        "top_p", "min_p",  "top",   "ids",         "command"};
constexpr size_t kMostIds = 64;
constexpr int32_t kMostTop = 200, kTop = 20;

// A checked body.
struct Question {
  std::vector<ModelEngine*> engines;
  std::vector<int32_t> tokens, ids;
  std::vector<std::string> commands;  // of each engine, or none
  SamplingRequest sampling;
  int32_t top = kTop;
};

// The line for each engine. text: what was given, or empty where it was given as ids.
std::vector<std::string> commands_of(const Question& question, const std::string& text, const ModelSet& models,
                                     const CommandLines& commands) {
  std::vector<std::string> lines;
  for (ModelEngine* engine : question.engines) {
    CompletionRequest request;
    request.engine = engine;
    request.prompts = {{text, question.tokens}};
    request.max_tokens = 1;
    request.plan = models.samplers().plan(question.sampling, engine->space());
    lines.push_back(commands.of_distribution(request, question.top));
  }
  return lines;
}

Question question_of(const std::string& body, const ModelSet& models, const CommandLines& commands) {
  const Fields fields(body, kFields);
  Question question;
  if (fields.find("model") && fields.find("models")) refuse("models", "expected model or models, found both");
  for (const std::string& name : fields.texts("models", kMostModels))
    question.engines.push_back(&models.find(name, "models"));
  if (question.engines.empty()) question.engines = {&models.find(fields.text("model").value_or(""))};
  question.tokens = models.input(fields, "input", 1, models.most_prompt());
  question.ids = fields.ids("ids", kMostIds, models.config().V);
  question.top = static_cast<int32_t>(fields.integer("top", 1, kMostTop).value_or(kTop));
  question.sampling = nucleus_fields(fields);
  if (fields.flag("command").value_or(false))
    question.commands =
        commands_of(question, std::string(fields.find("input")->as_text().value_or("")), models, commands);
  return question;
}

class NextToken final : public EvaluationJob {
 public:
  NextToken(const ModelSet& models, std::shared_ptr<Exchange> exchange, Question question)
      : EvaluationJob(models, std::move(exchange)), question_(std::move(question)) {
    this->exchange().set_tokens(std::ssize(question_.tokens), 0);
    json_.begin_object();
    json_.field("object", "distribution");
    json_.field("position", question_.tokens.size());
    json_.key("models");
    json_.begin_list();
  }

  void end_logits(const float* logits) override { row_.assign(logits, logits + models().config().V); }

 private:
  void next() override {
    if (!row_.empty()) {
      write_model(std::exchange(row_, {}));
      ++done_;
    }
    if (done_ < question_.engines.size()) {
      Request request;
      request.tokens = question_.tokens;
      request.max_new = 0;
      request.end_logits = true;
      return submit(*question_.engines[done_], std::move(request));
    }
    json_.end_list();
    json_.end_object();
    answer(json_.json());
  }

  void write_model(const std::vector<float>& logits) {
    const NucleusView view(logits, select_spec_of(question_.sampling));
    const SoftmaxSum softmax = softmax_sum(logits);
    const double log_sum = softmax.greatest + std::log(softmax.sum);
    double entropy = 0;
    for (const float logit : logits) {
      const double logprob = logit - log_sum, probability = std::exp(logprob);
      if (probability > 0) entropy -= probability * logprob;
    }
    std::vector<int32_t> ids = most_likely(logits, question_.top);
    for (const int32_t id : question_.ids)
      if (std::ranges::find(ids, id) == ids.end()) ids.push_back(id);
    json_.begin_object();
    json_.field("model", question_.engines[done_]->model().id);
    number_field(json_, "entropy", entropy);
    json_.field("kept", view.kept);
    number_field(json_, "kept_probability", view.kept_probability);
    write_list(json_, "tokens", ids, [&](int32_t id) {
      const double logprob = logits[id] - log_sum;
      json_.begin_object();
      json_.field("id", id);
      json_.field("token", models().piece(id));
      number_field(json_, "logit", logits[id]);
      number_field(json_, "logprob", logprob);
      number_field(json_, "probability", std::exp(logprob));
      number_field(json_, "scaled", view.scaled[id]);
      json_.key("cut_by");
      view.cut[id] == Cut::none ? json_.value(nullptr) : json_.value(name_of(view.cut[id]));
      number_field(json_, "chance", view.chance[id]);
      json_.end_object();
    });
    if (!question_.commands.empty()) json_.field("gpt2run_command", question_.commands[done_]);
    json_.end_object();
  }

  const Question question_;
  size_t done_ = 0;         // engines
  std::vector<float> row_;  // of the engine that has run, until it is written
  JsonWriter json_{-1};
};

}  // namespace

void run_distribution(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<Exchange>& exchange) {
  Question question = question_of(exchange->request().body, models, commands);
  std::make_shared<NextToken>(models, exchange, std::move(question))->run();
}

}  // namespace gpt2run
