// EvaluationJob: runs one request after another, each on some engine, and answers once. Scores, distributions and
// comparisons are such jobs.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "gpt2serve/evaluation_queue.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"

namespace gpt2run {

// A derived class sees its requests by the functions of RequestListener, but for finish(), on the thread of the engine
// that runs them. One request runs at a time, so that they need no lock.
class EvaluationJob : public RequestListener,
                      public EvaluationQueue::Waiter,
                      public std::enable_shared_from_this<EvaluationJob> {
 public:
  EvaluationJob(const ModelSet& models, std::shared_ptr<Exchange> exchange)
      : models_(models), exchange_(std::move(exchange)) {}

  // Begins the job. It lives as long as it runs. The tokens for the log line are to be set before.
  void run();
  // Begins it when it has the turn, which it gives up before its answer. Throws as EvaluationQueue::enter.
  void run_in_turn(std::shared_ptr<EvaluationQueue> queue);

  void take(EvaluationQueue::Turn turn) final;
  void refuse(const ApiError& why) final;

  void finish(Reason reason, std::string_view tail, std::string_view error) final;

 protected:
  // Begins the next request by submit(), or ends the job by answer(). Called at first on the thread that begins the
  // job, and after each request on that of long answers. May throw.
  virtual void next() = 0;
  // Called on the engine's thread just before a request is submitted to it, and after it has ended.
  virtual void begin(ModelEngine& engine) { (void)engine; }
  virtual void end(ModelEngine& engine) { (void)engine; }
  // Frees what the answer does not need. Called before every answer, and when the job ends without one.
  virtual void clear() {}

  void submit(ModelEngine& engine, Request request);
  void answer(std::string json);

  const ModelSet& models() const { return models_; }
  Exchange& exchange() { return *exchange_; }
  RequestId request() const { return id_; }  // the running one, on its engine's thread

 private:
  void watch_client();
  void advance();
  void cancel();
  void release();
  template <class What>  // an ApiError or a JSON document
  void end_with(What what);
  void set_running(ModelEngine* engine, RequestId id);

  const ModelSet& models_;
  const std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<EvaluationQueue> queue_;  // of a job that needs a turn
  EvaluationQueue::Turn turn_;
  // The running request: its engine, or null, and its number there, which is 0 until the engine has given one. Every
  // engine counts from 1. Written under the lock, and while a request runs only by its engine's thread.
  std::mutex mutex_;
  ModelEngine* engine_ = nullptr;
  RequestId id_ = 0;
  std::atomic<bool> is_gone_ = false;
};

}  // namespace gpt2run
