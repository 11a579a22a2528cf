#include "gpt2serve/evaluation_job.hpp"

namespace gpt2run {

void EvaluationJob::run() {
  exchange_->on_gone([self = shared_from_this()] {
    self->is_gone_ = true;
    self->exchange_->drop();
    self->cancel();
  });
  advance();
}

void EvaluationJob::advance() {
  if (is_gone_) return;
  try {
    next();
  } catch (const ApiError& error) {
    exchange_->answer(error);
  } catch (const std::exception& error) {
    exchange_->answer(ApiError(500, "engine_error", "", error.what()));
  }
}

void EvaluationJob::submit(ModelEngine& engine, Request request) {
  engine.reserve(1);
  {
    const std::lock_guard lock(mutex_);
    engine_ = &engine;
  }
  engine.thread().post([self = shared_from_this(), &engine, request = std::move(request)]() mutable {
    self->begin(engine);
    self->id_ = 0;
    const RequestId id = engine.submit(std::move(request), self);
    if (id == 0) return;  // it has ended already
    self->id_ = id;
    if (self->is_gone_) engine.cancel(id);
  });
}

void EvaluationJob::cancel() {
  const std::lock_guard lock(mutex_);
  if (!engine_) return;
  engine_->thread().post([self = shared_from_this(), engine = engine_] { engine->cancel(self->id_); });
}

void EvaluationJob::finish(Reason reason, std::string_view, std::string_view error) {
  ModelEngine* engine = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::swap(engine, engine_);
  }
  end(*engine);
  if (reason == Reason::cancelled)
    return exchange_->answer(ApiError(503, "shutting_down", "", "the server is shutting down"));
  if (reason == Reason::error)
    return exchange_->answer(ApiError(engine->is_failed() ? 503 : 500,
                                      engine->is_failed() ? "engine_failed" : "engine_error", "",
                                      "model " + engine->model().id + ": " + std::string(error)));
  advance();
}

}  // namespace gpt2run
