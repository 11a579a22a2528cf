// Service: the routes of the server. It checks who asks, finds the route, and turns what a handler throws into an error
// object.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "gpt2serve/access.hpp"
#include "gpt2serve/command_line.hpp"
#include "gpt2serve/evaluation_queue.hpp"
#include "gpt2serve/exchange.hpp"
#include "gpt2serve/model_set.hpp"
#include "gpt2serve/work_thread.hpp"

namespace gpt2run {

class Service {
 public:
  // All arguments outlive this object.
  Service(const ModelSet& models, const CommandLines& commands, const ServeOptions& options, Metrics& metrics);

  // Any thread. A request with a long body is answered by a thread of this object, so that the caller can go on.
  void handle(HttpRequest request, std::shared_ptr<Reply> reply);
  // Counts and logs a request that could not be read, and returns the body of its answer. Any thread.
  std::string refusal(int status, const std::string& why, const std::string& client);

  // From now on new work is refused with 503.
  void drain() { is_draining_ = true; }
  // Answers comparisons that still wait for their turn with 503.
  void refuse_waiting() { evaluations_->drain(); }
  // Ends the thread of long requests; those that wait are not answered.
  void stop() { long_requests_.stop(); }
  // How the number of open connections is found, for /metrics. To be set before the first request.
  void count_connections(std::function<size_t()> count) { connections_ = std::move(count); }

 private:
  struct Route;
  static const Route kRoutes[];

  void answer(const std::shared_ptr<Exchange>& exchange);
  void dispatch(const std::shared_ptr<Exchange>& exchange);
  void answer_preflight(const std::shared_ptr<Exchange>& exchange) const;

  void page(const std::shared_ptr<Exchange>& exchange);
  void health(const std::shared_ptr<Exchange>& exchange);
  void metrics(const std::shared_ptr<Exchange>& exchange);
  void list_models(const std::shared_ptr<Exchange>& exchange);
  void show_model(const std::shared_ptr<Exchange>& exchange);
  void complete(const std::shared_ptr<Exchange>& exchange);
  void tokenize(const std::shared_ptr<Exchange>& exchange);
  void detokenize(const std::shared_ptr<Exchange>& exchange);
  void score(const std::shared_ptr<Exchange>& exchange);
  void distribution(const std::shared_ptr<Exchange>& exchange);
  void compare(const std::shared_ptr<Exchange>& exchange);
  void layers(const std::shared_ptr<Exchange>& exchange);

  const ModelSet& models_;
  const CommandLines& commands_;
  const ServeOptions& options_;
  Metrics& metrics_;
  const Access access_;
  const int64_t started_;  // seconds since 1970
  std::function<size_t()> connections_;
  std::atomic<uint64_t> next_number_ = 1;
  std::atomic<bool> is_draining_ = false;
  std::shared_ptr<EvaluationQueue> evaluations_ = std::make_shared<EvaluationQueue>();
  WorkThread long_requests_;  // the last member, as what it runs uses the others
};

}  // namespace gpt2run
