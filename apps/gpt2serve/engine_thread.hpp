// EngineThread and ModelEngine: the thread that steps engines, and one engine with the requests that it runs.
//
// All engines whose sessions are in host memory share one thread, which steps them in turn, since each uses all
// processors. Each device has a thread of its own. Other threads reach an engine by posting work to its thread.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gpt2serve/api_error.hpp"
#include "gpt2serve/metrics.hpp"
#include "gpt2serve/sampler_plan.hpp"
#include "gpt2serve/served_model.hpp"

namespace gpt2run {

// Receives what happens to one request, on the engine's thread. A function that throws ends its request.
struct RequestListener {
  virtual ~RequestListener() = default;
  virtual void start(int64_t cached_tokens) { (void)cached_tokens; }  // the request has a slot
  virtual void token(const TokenEvent&) {}
  virtual void end_logits(const float*) {}  // (vocab)
  // The last call. error: one line, or empty.
  virtual void finish(Reason reason, std::string_view tail, std::string_view error) = 0;
};

class ModelEngine;

class EngineThread {
 public:
  EngineThread() = default;
  ~EngineThread() = default;  // after stop()
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  void add(ModelEngine& engine) { engines_.push_back(&engine); }  // before start(); not owned
  void start();
  // Any thread: `work` runs on the engine's thread before the next step, in the order of posts. What it throws is
  // logged and has no other effect.
  void post(std::function<void()> work);
  // Ends the thread after the present step. Work that has not run is dropped, and so are the listeners of all requests.
  void stop();

 private:
  void run();
  bool take_work();

  std::vector<ModelEngine*> engines_;
  std::mutex mutex_;  // of the inbox and is_stopping_
  std::condition_variable arrived_;
  std::vector<std::function<void()>> inbox_;
  bool is_stopping_ = false;
  std::thread thread_;
};

// The engine of one model. Its functions belong to its thread, except where they say any thread.
class ModelEngine final : private Listener {
 public:
  // most_live: requests that may wait or run at a time. All arguments outlive this object.
  ModelEngine(ServedModel& model, const ModelConfig& config, const Tokenizer* tokenizer, const SamplerCatalog& catalog,
              EngineThread& thread, ModelMetrics& metrics, int64_t most_live);

  // Any thread.
  const ServedModel& model() const { return model_; }
  Space space() const { return model_.bound.plugin->space; }
  EngineThread& thread() { return thread_; }
  ModelMetrics& metrics() { return metrics_; }
  int64_t most_live() const { return most_live_; }
  bool is_failed() const { return metrics_.failed; }
  int64_t live() const { return live_; }
  // Takes `count` places of the queue, each of which its request gives back when it ends. Throws ApiError for a full
  // queue and for an engine that has failed.
  void reserve(int64_t count);

  // What a client gets whose request has ended by cancelled or error.
  ApiError fault_of(Reason reason, const std::string& message) const;

  // Gives back places of requests that are not submitted.
  void release(int64_t count) { live_ -= count; }

  // As ChainCache::chain_of.
  std::shared_ptr<const Chain> chain_of(const SamplerPlan& plan) { return chains_.chain_of(plan); }
  // Submits a request that has a place. Its listener hears of any fault by finish(), also within this call. Returns 0
  // for a request that has ended already.
  RequestId submit(Request request, std::shared_ptr<RequestListener> listener);
  void cancel(RequestId id);
  void cancel_all();
  void drop_all();  // forgets all listeners without a call; nothing is stepped afterwards
  // As Engine::tap and Engine::rows.
  bool tap(Tap* tap) { return !is_failed() && engine_.tap(tap); }
  std::span<const StepRow> rows() const { return engine_.rows(); }

  // Runs a step if there is anything to do, and returns whether there was. What the engine throws is logged and ends
  // all requests; the engine stays off.
  bool run_step();

 private:
  void start(RequestId id) override;
  void token(RequestId id, const TokenEvent& event) override;
  void end_logits(RequestId id, const float* logits) override;
  void finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) override;
  void fail_all(const std::string& why);
  void end(RequestListener& listener, Reason reason, std::string_view tail, std::string_view error);
  void update_metrics();
  // Calls work(listener) of a request that is still heard, and ends the request if that throws.
  template <class Work>
  void call(RequestId id, const Work& work);

  ServedModel& model_;
  EngineThread& thread_;
  ModelMetrics& metrics_;
  const int64_t most_live_;
  std::atomic<int64_t> live_ = 0;
  ChainCache chains_;
  Engine engine_;
  std::map<RequestId, std::shared_ptr<RequestListener>> listeners_;
  int64_t cached_ = 0;  // tokens that the engine has taken over until now
};

}  // namespace gpt2run
