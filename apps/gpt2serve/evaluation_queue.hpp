// EvaluationQueue: lets one evaluation run at a time, because each keeps rows of logits in memory.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "gpt2serve/api_error.hpp"

namespace gpt2run {

// Any thread. Always owned by a shared_ptr.
class EvaluationQueue : public std::enable_shared_from_this<EvaluationQueue> {
 public:
  // The right to run, given up when the last copy is destroyed.
  using Turn = std::shared_ptr<void>;
  using Begin = std::function<void(Turn turn)>;

  // Calls begin(turn) now, or on the thread that ends the one before. begin must not throw. Throws ApiError if too many
  // wait.
  void enter(Begin begin) {
    {
      const std::lock_guard lock(mutex_);
      if (is_taken_) {
        if (waiting_.size() >= kMostWaiting)
          throw ApiError(429, "queue_full", "", "8 other comparisons wait; try again later");
        waiting_.push_back(std::move(begin));
        return;
      }
      is_taken_ = true;
    }
    begin(turn());
  }

 private:
  static constexpr size_t kMostWaiting = 8;

  Turn turn() {
    return {this, [self = weak_from_this()](void*) {
              if (const auto queue = self.lock()) queue->pass_on();
            }};
  }

  void pass_on() {
    Begin begin;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        is_taken_ = false;
        return;
      }
      begin = std::move(waiting_.front());
      waiting_.pop_front();
    }
    begin(turn());
  }

  std::mutex mutex_;
  std::deque<Begin> waiting_;
  bool is_taken_ = false;
};

}  // namespace gpt2run
