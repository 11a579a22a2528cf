#include "gpt2serve/evaluation_job.hpp"

namespace gpt2run {

void EvaluationJob::run() {
  watch_client();
  advance();
}

void EvaluationJob::run_in_turn(std::shared_ptr<EvaluationQueue> queue) {
  queue_ = std::move(queue);
  watch_client();
  queue_->enter(shared_from_this());
  if (is_gone_) queue_->leave(*this);  // the client may have gone before the job had a place to give up
}

void EvaluationJob::watch_client() {
  exchange_->on_gone([self = shared_from_this()] {
    self->is_gone_ = true;
    self->exchange_->drop();
    if (self->queue_) self->queue_->leave(*self);
    self->cancel();
  });
}

void EvaluationJob::take(EvaluationQueue::Turn turn) {
  turn_ = std::move(turn);
  advance();
}

void EvaluationJob::advance() {
  if (is_gone_) return release();
  try {
    next();
  } catch (const ApiError& error) {
    end_with(error);
  } catch (const std::exception& error) {
    end_with(ApiError(500, "engine_error", "", error.what()));
  }
}

// Before the answer, since a client may take long to read it.
void EvaluationJob::release() {
  clear();
  turn_.reset();
}

template <class What>
void EvaluationJob::end_with(What what) {
  release();
  exchange_->answer(std::move(what));
}

void EvaluationJob::refuse(const ApiError& why) { end_with(why); }

void EvaluationJob::answer(std::string json) { end_with(std::move(json)); }

void EvaluationJob::submit(ModelEngine& engine, Request request) {
  engine.reserve(1);
  set_running(&engine, 0);
  engine.thread().post([self = shared_from_this(), &engine, request = std::move(request)]() mutable {
    try {
      self->begin(engine);
    } catch (const std::exception& error) {
      self->set_running(nullptr, 0);
      engine.release(1);
      return self->end_with(ApiError(500, "engine_error", "", error.what()));
    }
    const RequestId id = engine.submit(std::move(request), self);
    if (id == 0) return;  // it has ended already
    self->set_running(&engine, id);
    if (self->is_gone_ || self->models_.is_ending()) engine.cancel(id);
  });
}

void EvaluationJob::set_running(ModelEngine* engine, RequestId id) {
  const std::lock_guard lock(mutex_);
  engine_ = engine, id_ = id;
}

// The work may come late: then the job has gone on to another engine, where the same number is a request of others. A
// request that has no number yet is cancelled by submit().
void EvaluationJob::cancel() {
  const std::lock_guard lock(mutex_);
  if (!engine_) return;
  engine_->thread().post([self = shared_from_this(), engine = engine_] {
    RequestId id = 0;
    {
      const std::lock_guard running(self->mutex_);
      if (self->engine_ == engine) id = self->id_;
    }
    if (id != 0) engine->cancel(id);
  });
}

void EvaluationJob::finish(Reason reason, std::string_view, std::string_view error) {
  ModelEngine* engine = nullptr;
  {
    const std::lock_guard lock(mutex_);
    std::swap(engine, engine_);
    id_ = 0;
  }
  end(*engine);
  if (reason == Reason::cancelled || reason == Reason::error)
    return end_with(engine->fault_of(reason, "model " + engine->model().id + ": " + std::string(error)));
  models_.long_answers().post(0, exchange_->number(), [self = shared_from_this()] { self->advance(); });
}

}  // namespace gpt2run
