// The reference runs first and its rows are kept; each test then compares its rows with them as they come. A floor is
// the comparison of a test's own rows, on the first targets, with those of `reference`.
#include "gpt2serve/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/evaluation/lockstep.hpp"
#include "common/evaluation/token_metrics.hpp"
#include "gpt2run/sdk/log_softmax.hpp"
#include "gpt2serve/evaluation_job.hpp"
#include "gpt2serve/token_lists.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kFields[] = {"reference", "tests", "input", "top", "overlap", "command"};
constexpr int32_t kMostTokens = 512, kMostTop = 20, kTop = 5, kMostOverlap = 1000, kOverlap = 10;
constexpr size_t kMostTests = 7;

// The metrics that answers list token by token.
constexpr Metric kListed[] = {Metric::kl_ref_test, Metric::js, Metric::tvd, Metric::top1_agreement};

// How many targets of a floor `reference` computes in a few seconds, as in gpt2compare.
int64_t targets_of_floor(const ModelConfig& config, int64_t asked) {
  constexpr int64_t kProducts = 2'000'000'000, kLeast = 8;
  return std::min(asked, std::max(kLeast, kProducts / step_elements(config)));
}

// Rows of logits of consecutive targets.
class LogitRows {
 public:
  explicit LogitRows(size_t vocab) : vocab_(vocab) {}
  void reserve(int64_t rows) { values_.reserve(static_cast<size_t>(rows) * vocab_); }
  void add(const float* row) { values_.insert(values_.end(), row, row + vocab_); }
  std::span<const float> operator[](size_t row) const { return std::span(values_).subspan(row * vocab_, vocab_); }
  size_t size() const { return values_.size() / vocab_; }
  void clear() { values_ = {}; }

 private:
  size_t vocab_;
  std::vector<float> values_;
};

// What one precision says of each token; the first has nothing.
struct Side {
  std::vector<float> logprobs;
  std::vector<TopTokens> tops;
};

struct Test {
  ModelEngine* engine;
  Side side;
  TokenMetrics metrics;
  std::vector<double> margins;
  ModelEngine* floor = nullptr;
  TokenMetrics floor_metrics;  // empty without a floor
};

struct Question {
  Sides sides;
  std::string text;
  std::vector<int32_t> tokens;
  int32_t top = kTop, overlap = kOverlap;
  std::string command;
};

class Comparison final : public EvaluationJob {
 public:
  Comparison(const ModelSet& models, std::shared_ptr<Exchange> exchange, Question question)
      : EvaluationJob(models, std::move(exchange)),
        question_(std::move(question)),
        vocab_(static_cast<size_t>(models.config().V)),
        targets_(std::ssize(question_.tokens) - 1),
        floor_targets_(targets_of_floor(models.config(), targets_)),
        meter_(question_.overlap),
        reference_rows_(vocab_),
        test_rows_(vocab_) {
    this->exchange().set_tokens(std::ssize(question_.tokens), 0);
    for (ModelEngine* engine : question_.sides.tests) {
      Test& test = tests_.emplace_back();
      test.engine = engine;
      test.floor = models.floor_of(*engine);
    }
  }

  void token(const TokenEvent& event) override {
    if (!event.logits) return add_first();
    const std::span<const float> row(event.logits, vocab_);
    if (is_floor_) return add_floor(event.position, row);
    if (!is_reference_done_) {
      reference_rows_.add(event.logits);
      add_to(reference_, event, row);
      entropies_.push_back(0);
      return;
    }
    Test& test = tests_[test_];
    add_to(test.side, event, row);
    const auto target = static_cast<size_t>(event.position) - 1;
    const RowDivergence found = meter_.compare(reference_rows_[target], row, event.id);
    test.metrics.add({0, event.position, event.position - 1}, found);
    test.margins.push_back(found.margin);
    entropies_[target + 1] = found.entropy;
    if (test.floor && std::cmp_less(target, floor_targets_)) test_rows_.add(event.logits);
  }

 private:
  // The stages: the reference, then each test and its floor.
  void next() override {
    if (!has_begun_) {
      has_begun_ = true;
      reference_rows_.reserve(targets_);
      return feed(*question_.sides.reference, targets_);
    }
    if (!is_reference_done_) {
      is_reference_done_ = true;
      return feed(*tests_[0].engine, targets_);
    }
    if (!is_floor_ && tests_[test_].floor) {
      is_floor_ = true;
      return feed(*tests_[test_].floor, floor_targets_);
    }
    is_floor_ = false;
    test_rows_.clear();
    if (++test_ < tests_.size()) return feed(*tests_[test_].engine, targets_);
    write();
  }

  void clear() override {
    reference_rows_.clear();
    test_rows_.clear();
  }

  void feed(ModelEngine& engine, int64_t targets) {
    Request request;
    request.tokens.assign(question_.tokens.begin(), question_.tokens.begin() + targets + 1);
    request.max_new = 0;
    request.wants = kPrompt | kLogprob | kLogits;
    submit(engine, std::move(request));
  }

  void add_first() {
    if (is_floor_) return;
    Side& side = is_reference_done_ ? tests_[test_].side : reference_;
    side.logprobs.push_back(std::nanf(""));
    side.tops.emplace_back();
    if (!is_reference_done_) entropies_.push_back(std::nan(""));
  }

  void add_to(Side& side, const TokenEvent& event, std::span<const float> row) const {
    side.logprobs.push_back(event.logprob);
    side.tops.push_back(question_.top > 0 ? top_tokens(row, question_.top) : TopTokens());
  }

  // Of the test's own rows against those of `reference`.
  void add_floor(int32_t position, std::span<const float> row) {
    const RowDivergence found = meter_.compare(test_rows_[static_cast<size_t>(position) - 1], row,
                                               question_.tokens[static_cast<size_t>(position)]);
    tests_[test_].floor_metrics.add({0, position, position - 1}, found);
  }

  void write() {
    JsonWriter json(-1);
    json.begin_object();
    json.field("object", "comparison");
    write_tokens(json, question_.tokens, models());
    json.field("targets", targets_);
    json.key("reference");
    json.begin_object();
    json.field("model", question_.sides.reference->model().id);
    write_side(json, reference_);
    write_list(json, "entropy", entropies_, [&](double one) { write_number(json, one); });
    json.end_object();
    write_list(json, "tests", tests_, [&](const Test& test) { write_test(json, test); });
    if (!question_.command.empty()) json.field("gpt2run_command", question_.command);
    json.end_object();
    answer(json.json());
  }

  void write_side(JsonWriter& json, const Side& side) const {
    write_list(json, "logprobs", side.logprobs, [&](float one) { write_number(json, one); });
    if (question_.top > 0)
      write_list(json, "top", side.tops, [&](const TopTokens& one) { write_top(json, one, models()); });
  }

  // A list with nothing for the first token.
  static void write_targets(JsonWriter& json, std::string_view name, const std::vector<double>& values) {
    json.key(name);
    json.begin_list();
    json.value(nullptr);
    for (const double value : values) write_number(json, value);
    json.end_list();
  }

  void write_test(JsonWriter& json, const Test& test) const {
    json.begin_object();
    json.field("model", test.engine->model().id);
    write_side(json, test.side);
    for (const Metric metric : kListed) write_targets(json, spec_of(metric).name, test.metrics[metric]);
    write_targets(json, "margin", test.margins);
    json.key("mean");
    json.begin_object();
    for (int m = 0; m < kMetrics; ++m)
      number_field(json, spec_of(static_cast<Metric>(m)).name,
                   distribution_of(test.metrics, static_cast<Metric>(m)).mean);
    json.end_object();
    json.key("standard_error");
    json.begin_object();
    for (int m = 0; m < kMetrics; ++m)
      number_field(json, spec_of(static_cast<Metric>(m)).name,
                   distribution_of(test.metrics, static_cast<Metric>(m)).standard_error);
    json.end_object();
    write_floor(json, test);
    json.end_object();
  }

  static void write_floor(JsonWriter& json, const Test& test) {
    json.key("floor");
    if (!test.floor) return json.value(nullptr);
    json.begin_object();
    json.field("against", test.floor->model().instance.name);
    json.field("targets", test.floor_metrics.size());
    for (int m = 0; m < kMetrics; ++m) {
      const auto metric = static_cast<Metric>(m);
      number_field(json, spec_of(metric).name, mean_deviation(test.floor_metrics, metric, test.floor_metrics.size()));
    }
    json.end_object();
  }

  const Question question_;
  const size_t vocab_;
  const int64_t targets_, floor_targets_;
  DivergenceMeter meter_;
  LogitRows reference_rows_, test_rows_;
  Side reference_;
  std::vector<double> entropies_;  // of the reference's distributions
  std::vector<Test> tests_;
  size_t test_ = 0;  // the one that runs
  bool has_begun_ = false, is_reference_done_ = false, is_floor_ = false;
};

}  // namespace

Sides sides_of(const Fields& fields, const ModelSet& models) {
  const std::vector<std::string> tests = fields.texts("tests", kMostTests);
  if (tests.empty()) refuse("tests", "expected 1 to ", kMostTests, " precisions, found none");
  Sides sides{&models.find(fields.text("reference").value_or(""), "reference"), {}};
  for (const std::string& name : tests) {
    ModelEngine* test = &models.find(name, "tests");
    if (test == sides.reference || std::ranges::find(sides.tests, test) != sides.tests.end())
      refuse("tests", "expected other precisions than the reference, each once, found ", test->model().id, " again");
    sides.tests.push_back(test);
  }
  return sides;
}

void run_comparison(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<EvaluationQueue>& queue,
                    const std::shared_ptr<Exchange>& exchange) {
  const Fields fields(exchange->request().body, kFields);
  Question question;
  question.sides = sides_of(fields, models);
  question.tokens = models.input(fields, "input", 2, std::min(kMostTokens, models.most_prompt()));
  if (const auto text = fields.find("input")->as_text()) question.text = *text;
  question.top = static_cast<int32_t>(fields.integer("top", 0, kMostTop).value_or(kTop));
  question.overlap = static_cast<int32_t>(fields.integer("overlap", 1, kMostOverlap).value_or(kOverlap));
  if (fields.flag("command").value_or(false))
    question.command =
        commands.of_comparison(*question.sides.reference, question.sides.tests, question.text, question.tokens);
  std::make_shared<Comparison>(models, exchange, std::move(question))->run_in_turn(queue);
}

}  // namespace gpt2run
