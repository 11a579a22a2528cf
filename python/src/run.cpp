#include "run.hpp"

#include <algorithm>
#include <utility>

#include "host/log.hpp"

namespace gpt2run::python {
namespace {

EngineOptions engine_options(int32_t chunk, uint32_t wants) {
  EngineOptions options;
  options.chunk = chunk, options.wants = wants;
  return options;
}

}  // namespace

Run::Run(std::shared_ptr<OpenModel> model, bool is_stream, const std::vector<std::vector<int32_t>>& prompts,
         const RunOptions& options, const std::vector<ChainItem>& items, const std::vector<Setting>& settings,
         Inside inside, const Check& check)
    : check_(check),
      model_(std::move(model)),
      use_(std::in_place, model_, is_stream, check),
      chain_(*model_, items, settings),
      has_logprobs_(options.logprobs) {
  if (options.samples < 1) fail("samples: expected 1 or more, found ", options.samples);
  OpenModel& open = *model_;
  int64_t longest = 0;
  for (const std::vector<int32_t>& ids : prompts) longest = std::max(longest, std::ssize(ids) + options.max_new);
  taps_.emplace(open, std::move(inside), prompts, options.samples, longest, check);
  const uint32_t wants = options.logprobs ? uint32_t{kLogprob} : 0;
  engine_.emplace(open.session(), open.config(), open.limits(), engine_options(kPromptRows, wants), chain_.chain(),
                  open.tokenizer(), static_cast<Listener&>(*this));
  submit(prompts, options);
  taps_->attach(*engine_, [this](RequestId id) { return sequences_.at(id); });
}

void Run::let_go() {
  is_closed_ = true;
  engine_.reset();
  use_.reset();
}

void Run::close() {
  is_closed_ = true;
  if (is_busy_.exchange(true)) return;  // advance() looks at is_closed_ when it has ended
  let_go();
  is_busy_ = false;
}

void Run::submit(const std::vector<std::vector<int32_t>>& prompts, const RunOptions& options) {
  if (prompts.empty()) fail("there is no prompt");
  const int32_t context = model_->limits().context;
  Request request;
  request.seed = options.seed, request.max_new = options.max_new, request.ignore_eos = options.ignore_eos;
  request.stops = options.stops, request.wants = options.logprobs ? uint32_t{kLogprob} : 0;
  request.context_shift = options.context_shift < 0 ? context / 2 : options.context_shift;
  for (size_t i = 0; i < prompts.size(); ++i) {
    request.tokens = prompts[i], request.group = taps_->empty() ? i + 1 : 0;
    for (int32_t sample = 0; sample < options.samples; ++sample) {
      request.sequence = completions_.size();
      completions_.emplace_back();
      sequences_[engine_->submit(request)] = request.sequence;
    }
  }
}

Progress Run::advance() {
  model_->check_process();
  if (is_busy_.exchange(true)) fail("another thread is reading this stream");
  Progress progress;
  std::exception_ptr failure;
  try {
    progress.goes_on = !is_closed_ && run_engine();
  } catch (...) {
    failure = std::current_exception();
  }
  progress.text = std::exchange(fresh_, {});
  if (!progress.goes_on) let_go();
  is_busy_ = false;
  if (progress.goes_on && is_closed_) close();  // by another thread meanwhile
  if (failure) std::rethrow_exception(failure);
  return progress;
}

bool Run::run_engine() {
  bool goes_on;
  try {
    goes_on = engine_->step();
  } catch (...) {
    chain_.rethrow();
    throw;
  }
  if (!error_.empty()) throw Error(error_);
  if (!goes_on && cut_ > 0)
    log_warning(std::to_string(cut_) + " of " + std::to_string(completions_.size()) +
                " sequences ended where the context of " + std::to_string(model_->limits().context) +
                " tokens is full, before all new tokens; context_shift=-1 goes on with the last half of the context");
  check_();
  return goes_on;
}

void Run::token(RequestId id, const TokenEvent& event) {
  Completion& completion = completions_[sequences_.at(id)];
  completion.tokens.push_back(event.id);
  completion.text += event.text;
  if (has_logprobs_) completion.logprobs.push_back(event.logprob);
  fresh_ += event.text;
}

void Run::finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) {
  Completion& completion = completions_[sequences_.at(id)];
  completion.reason = reason;
  completion.text += tail, fresh_ += tail;
  cut_ += reason == Reason::context;
  if (reason == Reason::error && error_.empty()) error_ = error;
}

namespace {

// Listens to a text that is only read.
class TextListener : public Listener {
 public:
  void token(RequestId, const TokenEvent&) override {}
  void finish(RequestId, Reason reason, std::string_view, std::string_view line) override {
    if (reason == Reason::error) error = line;
  }

  std::string error;
};

// Collects the logits and the log-probabilities of one text.
class Collector final : public TextListener {
 public:
  Collector(const std::vector<int32_t>& ids, int32_t vocabulary, bool wants_logits) : vocabulary_(vocabulary) {
    scores.logprobs.resize(ids.size() - 1);
    if (wants_logits) scores.logits.resize(ids.size() * static_cast<size_t>(vocabulary));
  }

  void token(RequestId, const TokenEvent& event) override {
    if (event.position == 0) return;
    const auto row = static_cast<size_t>(event.position) - 1;
    scores.logprobs[row] = event.logprob;
    if (!scores.logits.empty()) keep(event.logits, row);
  }
  void end_logits(RequestId, const float* logits) override { keep(logits, scores.logprobs.size()); }

  Scores scores;

 private:
  void keep(const float* logits, size_t row) {
    std::copy_n(logits, vocabulary_, scores.logits.begin() + static_cast<std::ptrdiff_t>(row) * vocabulary_);
  }

  int32_t vocabulary_;
};

// Stands at the end of the engine's chain, which is never asked for a token here.
class NoSampler final : public Sampler {
  void sample(const LogitBatch&) override { fail("a text that is only read is not sampled"); }
};

// Reads a text. wants: of the listener. chunk: rows of a step.
void feed(OpenModel& model, const std::vector<int32_t>& ids, uint32_t wants, bool end_logits, int32_t chunk,
          const Inside& inside, TextListener& listener, const Check& check) {
  RunTaps taps(model, inside, {ids}, 1, std::ssize(ids), check);
  NoSampler sampler;
  Chain chain;
  chain.samplers = {&sampler}, chain.space = model.session().layout().space;
  Request request;
  request.tokens = ids, request.max_new = 0, request.wants = wants, request.end_logits = end_logits;
  Engine engine(model.session(), model.config(), model.limits(), engine_options(chunk, wants),
                {std::shared_ptr<const Chain>(), &chain}, nullptr, listener);
  engine.submit(std::move(request));
  taps.attach(engine, [](RequestId) { return uint64_t{0}; });
  while (engine.step()) check();
  if (!listener.error.empty()) throw Error(listener.error);
}

void check_text(const std::vector<int32_t>& ids) {
  if (ids.empty()) fail("expected a text of at least one token, found none");
}

}  // namespace

Scores score(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, bool wants_logits,
             const Inside& inside, const Check& check) {
  check_text(ids);
  const Use use(model, false, check);
  Collector collector(ids, model->config().V, wants_logits);
  const uint32_t wants = kLogprob | kPrompt | (wants_logits ? uint32_t{kLogits} : 0);
  feed(*model, ids, wants, wants_logits, kLogitRows, inside, collector, check);
  return std::move(collector.scores);
}

void read(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, Inside inside, RowTap& tap,
          const Check& check) {
  check_text(ids);
  const Use use(model, false, check);
  inside.tap = &tap;
  TextListener listener;
  feed(*model, ids, 0, true, kPromptRows, inside, listener, check);
}

}  // namespace gpt2run::python
