#include "gpt2serve/engine_thread.hpp"

#include <algorithm>

#include "gpt2serve/work_thread.hpp"
#include "host/log.hpp"

namespace gpt2run {

void EngineThread::start() {
  thread_ = std::thread([this] { run(); });
}

void EngineThread::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    inbox_.push_back(std::move(work));
  }
  arrived_.notify_one();
}

void EngineThread::stop() {
  std::vector<std::function<void()>> dropped;  // destroyed without the lock
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    dropped.swap(inbox_);
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (ModelEngine* engine : engines_) engine->drop_all();
}

// Carries out what was posted. Returns false when the thread shall end.
bool EngineThread::take_work() {
  std::vector<std::function<void()>> works;
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return false;
    works.swap(inbox_);
  }
  for (const auto& work : works) run_logged(work);
  return true;
}

void EngineThread::run() {
  while (take_work()) {
    bool is_busy = false;
    for (ModelEngine* engine : engines_) is_busy |= engine->run_step();
    if (is_busy) continue;
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return is_stopping_ || !inbox_.empty(); });
  }
}

ModelEngine::ModelEngine(ServedModel& model, const ModelConfig& config, const Tokenizer* tokenizer,
                         const SamplerCatalog& catalog, EngineThread& thread, ModelMetrics& metrics, int64_t most_live)
    : model_(model),
      thread_(thread),
      metrics_(metrics),
      most_live_(most_live),
      engine_(*model.instance.session, config, model.limits, model.engine,
              chains_.chain_of(catalog.plan({}, model.bound.plugin->space)), tokenizer, *this) {
  thread.add(*this);
}

void ModelEngine::reserve(int64_t count) {
  if (is_failed()) throw ApiError(503, "engine_failed", "model", "model " + model_.id + ": its engine has failed");
  int64_t live = live_;
  do {
    if (live + count > most_live_)
      throw ApiError(429, "queue_full", "",
                     "model " + model_.id + ": " + std::to_string(live) + " completions wait or run, at most " +
                         std::to_string(most_live_) + " may; try again later");
  } while (!live_.compare_exchange_weak(live, live + count));
}

ApiError ModelEngine::fault_of(Reason reason, const std::string& message) const {
  if (reason == Reason::cancelled) return shutting_down();
  return {is_failed() ? 503 : 500, is_failed() ? "engine_failed" : "engine_error", "", message};
}

RequestId ModelEngine::submit(Request request, std::shared_ptr<RequestListener> listener) {
  if (is_failed()) return end(*listener, Reason::error, {}, "its engine has failed"), 0;
  try {
    const RequestId id = engine_.submit(std::move(request));
    listeners_.emplace(id, std::move(listener));
    return id;
  } catch (const std::exception& error) {
    end(*listener, Reason::error, {}, error.what());
    return 0;
  }
}

void ModelEngine::cancel(RequestId id) {
  if (!is_failed() && listeners_.contains(id)) engine_.cancel(id);
}

void ModelEngine::cancel_all() {
  if (is_failed()) return;
  for (const auto& [id, listener] : listeners_) engine_.cancel(id);
}

void ModelEngine::drop_all() {
  const auto dropped = std::move(listeners_);
  listeners_.clear();
}

bool ModelEngine::run_step() {
  if (is_failed() || engine_.waiting() + engine_.running() == 0) return false;
  try {
    engine_.step();
    update_metrics();
  } catch (const std::exception& error) {
    fail_all(error.what());
  } catch (...) {
    fail_all("a plugin threw something that is no std::exception");
  }
  return true;
}

void ModelEngine::update_metrics() {
  const EngineCounts& counts = engine_.counts();
  metrics_.prompt_tokens = counts.prompt_tokens, metrics_.cached_tokens = counts.cached_tokens;
  metrics_.new_tokens = counts.new_tokens, metrics_.steps = counts.steps, metrics_.rows = counts.rows;
  metrics_.running = static_cast<int64_t>(engine_.running());
  metrics_.waiting = static_cast<int64_t>(engine_.waiting());
}

void ModelEngine::fail_all(const std::string& why) {
  metrics_.failed = true;
  metrics_.running = metrics_.waiting = 0;
  log_error("model " + model_.id + ": its engine has failed and stays off: " + why);
  for (auto listeners = std::move(listeners_); const auto& [id, listener] : listeners)
    end(*listener, Reason::error, {}, why);
  listeners_.clear();
}

void ModelEngine::end(RequestListener& listener, Reason reason, std::string_view tail, std::string_view error) {
  --live_;
  ++metrics_.finished[static_cast<size_t>(reason)];
  try {
    listener.finish(reason, tail, error);
  } catch (const std::exception& thrown) {
    log_error(std::string("an answer could not be made: ") + thrown.what());
  }
}

template <class Work>
void ModelEngine::call(RequestId id, const Work& work) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  const std::shared_ptr<RequestListener> listener = found->second;
  try {
    work(*listener);
  } catch (const std::exception& error) {
    listeners_.erase(id);
    engine_.cancel(id);
    end(*listener, Reason::error, {}, error.what());
  }
}

// The engine adds a request's cached tokens to its counts just before it starts the request.
void ModelEngine::start(RequestId id) {
  const int64_t cached = engine_.counts().cached_tokens, own = cached - cached_;
  cached_ = cached;
  call(id, [&](RequestListener& listener) { listener.start(own); });
}

void ModelEngine::token(RequestId id, const TokenEvent& event) {
  call(id, [&](RequestListener& listener) { listener.token(event); });
}

void ModelEngine::end_logits(RequestId id, const float* logits) {
  call(id, [&](RequestListener& listener) { listener.end_logits(logits); });
}

void ModelEngine::finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  const std::shared_ptr<RequestListener> listener = std::move(found->second);
  listeners_.erase(found);
  end(*listener, reason, tail, error);
}

}  // namespace gpt2run
