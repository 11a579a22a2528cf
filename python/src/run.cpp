#include "run.hpp"

#include <algorithm>
#include <utility>

#include "host/log.hpp"

namespace gpt2run::python {
namespace {

// Has the tap see what an engine computes, until the end of the scope.
class Tapped {
 public:
  Tapped(Engine& engine, TapStore* tap, TapStore::SequenceOf sequence_of) : tap_(tap) {
    if (!tap_) return;
    tap_->begin([&engine] { return engine.rows(); }, std::move(sequence_of));
    if (engine.tap(tap_)) return;
    tap_->end();
    fail("this precision has no taps");
  }
  ~Tapped() {
    if (tap_) tap_->end();
  }
  Tapped(const Tapped&) = delete;
  Tapped& operator=(const Tapped&) = delete;

 private:
  TapStore* tap_;
};

EngineOptions engine_options(int32_t chunk, uint32_t wants) {
  EngineOptions options;
  options.chunk = chunk, options.wants = wants;
  return options;
}

}  // namespace

Run::Run(std::shared_ptr<OpenModel> model, bool is_stream, const std::vector<std::vector<int32_t>>& prompts,
         const RunOptions& options, const std::vector<ChainItem>& items, const std::vector<Setting>& settings,
         std::shared_ptr<TapStore> tap, const Check& check)
    : check_(check),
      model_(std::move(model)),
      use_(std::in_place, model_, is_stream, check),
      tap_(std::move(tap)),
      chain_(*model_, items, settings),
      has_logprobs_(options.logprobs) {
  OpenModel& open = *model_;
  const uint32_t wants = options.logprobs ? uint32_t{kLogprob} : 0;
  engine_.emplace(open.session(), open.config(), open.limits(), engine_options(kPromptRows, wants), chain_.chain(),
                  open.tokenizer(), static_cast<Listener&>(*this));
  submit(prompts, options);
  if (!tap_) return;
  tap_->begin([this] { return engine_->rows(); }, [this](RequestId id) { return sequences_.at(id); });
  if (engine_->tap(tap_.get())) return;
  tap_->end();
  fail("this precision has no taps");
}

void Run::let_go() {
  is_closed_ = true;
  if (!use_) return;  // the tap may be that of another run by now
  engine_.reset();
  if (tap_) tap_->end();
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
  if (options.samples < 1) fail("samples: expected 1 or more, found ", options.samples);
  const int32_t context = model_->limits().context;
  Request request;
  request.seed = options.seed, request.max_new = options.max_new, request.ignore_eos = options.ignore_eos;
  request.stops = options.stops, request.wants = options.logprobs ? uint32_t{kLogprob} : 0;
  request.context_shift = options.context_shift < 0 ? context / 2 : options.context_shift;
  for (size_t i = 0; i < prompts.size(); ++i) {
    request.tokens = prompts[i], request.group = i + 1;
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

// Collects the logits and the log-probabilities of one text.
class Collector final : public Listener {
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
  void finish(RequestId, Reason reason, std::string_view, std::string_view line) override {
    if (reason == Reason::error) error = line;
  }

  Scores scores;
  std::string error;

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

}  // namespace

Scores score(const std::shared_ptr<OpenModel>& model, const std::vector<int32_t>& ids, bool wants_logits,
             const std::shared_ptr<TapStore>& tap, const Check& check) {
  if (ids.empty()) fail("expected a text of at least one token, found none");
  const Use use(model, false, check);
  NoSampler sampler;
  Chain chain;
  chain.samplers = {&sampler}, chain.space = model->session().layout().space;
  Request request;
  request.tokens = ids, request.max_new = 0;
  request.wants = kLogprob | kPrompt | (wants_logits ? uint32_t{kLogits} : 0);
  request.end_logits = wants_logits;
  Collector collector(ids, model->config().V, wants_logits);
  Engine engine(model->session(), model->config(), model->limits(), engine_options(kLogitRows, request.wants),
                {std::shared_ptr<const Chain>(), &chain}, nullptr, collector);
  engine.submit(std::move(request));
  const Tapped tapped(engine, tap.get(), [](RequestId) { return uint64_t{0}; });
  while (engine.step()) check();
  if (!collector.error.empty()) throw Error(collector.error);
  return std::move(collector.scores);
}

}  // namespace gpt2run::python
