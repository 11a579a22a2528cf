// While the request of a job runs, its engine has a tap, which sees the rows of all requests and keeps those of its
// own.
#include "gpt2serve/layers_view.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "common/evaluation/layers.hpp"
#include "gpt2serve/comparison.hpp"
#include "gpt2serve/evaluation_job.hpp"
#include "gpt2serve/token_lists.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kFields[] = {"reference", "tests", "input", "rows", "command"};
constexpr int32_t kMostRows = 64, kRows = 32;

// What one operation of the reference has written, and the sums of the precision that runs.
struct Operation {
  std::string op;
  int32_t layer;
  std::vector<float> values;  // of the reference, row after row
  size_t used = 0;            // of these, values that the running test has been compared with
  OpRangeSum range;
  OpErrorSum error;
};

// The operations in the order in which a step runs them.
class Operations {
 public:
  // The operation with this name; it is made if it is new.
  Operation& of(const char* op, int32_t layer) {
    for (Operation& one : all_)
      if (one.layer == layer && one.op == op) return one;
    return all_.emplace_back(Operation{op, layer, {}, 0, {}, {}});
  }
  // Before the next precision.
  void clear_sums() {
    for (Operation& one : all_) one.used = 0, one.range = {}, one.error = {};
  }
  const std::vector<Operation>& all() const { return all_; }

 private:
  std::vector<Operation> all_;
};

struct Question {
  Sides sides;
  std::vector<int32_t> tokens;
  std::string command;  // empty unless it is asked for
};

class LayersJob final : public EvaluationJob, private Tap {
 public:
  LayersJob(const ModelSet& models, std::shared_ptr<Exchange> exchange, Question question)
      : EvaluationJob(models, std::move(exchange)), question_(std::move(question)) {
    this->exchange().set_tokens(std::ssize(question_.tokens), 0);
    json_.begin_object();
    json_.field("object", "layers");
    json_.field("rows", question_.tokens.size() - 1);
  }

 private:
  void next() override {
    if (has_begun_) write_side();
    has_begun_ = true;
    if (side_ > question_.sides.tests.size()) {
      json_.end_list();
      if (!question_.command.empty()) json_.field("gpt2run_command", question_.command);
      json_.end_object();
      answer(json_.json());
      return;
    }
    Request request;
    request.tokens = question_.tokens;
    request.max_new = 0;
    request.wants = kPrompt | kLogits;  // so that every row has logits
    submit(engine(), std::move(request));
  }

  void clear() override { operations_ = {}; }

  // side_: 0 for the reference, i + 1 for test i.
  bool is_reference() const { return side_ == 0; }
  ModelEngine& engine() const {
    return is_reference() ? *question_.sides.reference : *question_.sides.tests[side_ - 1];
  }

  void begin(ModelEngine& engine) override { is_tapped_ = engine.tap(this); }
  // The request has ended within a step, in which the tap may not be taken away.
  void end(ModelEngine& engine) override {
    if (is_tapped_) engine.thread().post([self = shared_from_this(), &engine] { engine.tap(nullptr); });
  }

  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    const std::span<const StepRow> owners = engine().rows();
    const auto is_all = std::cmp_equal(rows, owners.size());  // or only the rows with logits
    Operation& operation = operations_.of(op, layer);
    int row = 0;
    for (const StepRow& owner : owners) {
      if (!is_all && !owner.logits) continue;
      if (owner.request == request()) add(operation, {host + int64_t{row} * cols, static_cast<size_t>(cols)});
      ++row;
    }
    return false;
  }

  void add(Operation& operation, std::span<const float> row) {
    for (const float value : row) operation.range.add(value);
    if (is_reference()) {
      operation.values.insert(operation.values.end(), row.begin(), row.end());
      return;
    }
    if (operation.used + row.size() > operation.values.size()) return;  // the reference has no such operation
    for (const float value : row) operation.error.add(operation.values[operation.used++], value);
  }

  // Writes the precision that has run, and makes ready for the next one.
  void write_side() {
    if (side_ == 0) json_.key("reference");
    if (side_ == 1) json_.key("tests"), json_.begin_list();
    json_.begin_object();
    json_.field("model", engine().model().id);
    json_.field("has_taps", is_tapped_);
    if (!is_reference()) write_errors();
    const std::vector<Operation> none;
    write_list(json_, "ranges", is_tapped_ ? operations_.all() : none, [&](const Operation& one) {
      const OpRange range = one.range.result(one.op, one.layer);
      json_.begin_object();
      json_.field("op", range.op);
      json_.field("layer", range.layer);
      number_field(json_, "max", range.max);
      number_field(json_, "headroom", range.headroom);
      number_field(json_, "subnormal_share", range.subnormal_share);
      json_.field("nans", range.nans);
      json_.end_object();
    });
    json_.end_object();
    operations_.clear_sums();
    ++side_;
  }

  void write_errors() {
    const std::optional<double> threshold =
        default_threshold(question_.sides.reference->model().instance, engine().model().instance);
    std::vector<OpError> errors;
    for (const Operation& one : operations_.all())
      if (is_tapped_ && one.used > 0)
        errors.push_back(one.error.result(one.op, one.layer, static_cast<int64_t>(one.used)));
    const auto first = std::ranges::find_if(errors, [&](const OpError& error) {
      return std::isnan(error.rms_error) || (threshold && error.rms_error > *threshold);
    });
    number_field(json_, "threshold", threshold.value_or(std::nan("")));
    if (first == errors.end())
      json_.field("first_above", nullptr);
    else
      json_.field("first_above", first - errors.begin());
    write_list(json_, "errors", errors, [&](const OpError& error) {
      json_.begin_object();
      json_.field("op", error.op);
      json_.field("layer", error.layer);
      number_field(json_, "rms_error", error.rms_error);
      number_field(json_, "max_error", error.max_error);
      json_.end_object();
    });
  }

  const Question question_;
  Operations operations_;
  size_t side_ = 0;
  bool has_begun_ = false, is_tapped_ = false;
  JsonWriter json_{-1};
};

}  // namespace

void run_layers(const ModelSet& models, const CommandLines& commands, const std::shared_ptr<EvaluationQueue>& queue,
                const std::shared_ptr<Exchange>& exchange) {
  const Fields fields(exchange->request().body, kFields);
  Question question{sides_of(fields, models), models.input(fields, "input", 2, models.most_prompt()), {}};
  const auto rows = static_cast<size_t>(fields.integer("rows", 1, kMostRows).value_or(kRows));
  if (fields.flag("command").value_or(false)) {
    const std::string text(fields.find("input")->as_text().value_or(""));
    question.command = commands.of_layers(*question.sides.reference, question.sides.tests, text, question.tokens,
                                          static_cast<int64_t>(rows));
  }
  question.tokens.resize(std::min(question.tokens.size(), rows + 1));  // the last token is only a target
  std::make_shared<LayersJob>(models, exchange, std::move(question))->run_in_turn(queue);
}

}  // namespace gpt2run
