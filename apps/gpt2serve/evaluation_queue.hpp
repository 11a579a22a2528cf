// EvaluationQueue: lets one evaluation run at a time, because each keeps rows of logits in memory.
#pragma once
#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>

#include "gpt2serve/api_error.hpp"

namespace gpt2run {

// Any thread. Always owned by a shared_ptr.
class EvaluationQueue : public std::enable_shared_from_this<EvaluationQueue> {
 public:
  // The right to run, given up when the last copy is destroyed.
  using Turn = std::shared_ptr<void>;

  // What waits for its turn. One of the two functions is called, once, unless the job leaves before. They must not
  // throw.
  struct Waiter {
    virtual ~Waiter() = default;
    virtual void take(Turn turn) = 0;
    virtual void refuse(const ApiError& why) = 0;
  };

  // Gives the turn now, or on the thread that ends the job before. Throws ApiError if too many wait, and after drain().
  void enter(std::shared_ptr<Waiter> job) {
    {
      const std::lock_guard lock(mutex_);
      if (is_draining_) throw shutting_down();
      if (is_taken_) {
        if (waiting_.size() >= kMostWaiting)
          throw ApiError(429, "queue_full", "", "8 other comparisons wait; try again later");
        waiting_.push_back(std::move(job));
        return;
      }
      is_taken_ = true;
    }
    job->take(turn());
  }

  // Gives up the place of a job that waits. Nothing happens to one that does not.
  void leave(const Waiter& job) {
    std::shared_ptr<Waiter> left;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(waiting_, &job, [](const auto& one) { return one.get(); });
    if (found == waiting_.end()) return;
    left = std::move(*found);
    waiting_.erase(found);
  }

  // Refuses all jobs that wait, and from now on all that come. The one that has the turn goes on.
  void drain() {
    std::deque<std::shared_ptr<Waiter>> refused;
    {
      const std::lock_guard lock(mutex_);
      is_draining_ = true;
      refused.swap(waiting_);
    }
    for (const std::shared_ptr<Waiter>& job : refused) job->refuse(shutting_down());
  }

 private:
  static constexpr size_t kMostWaiting = 8;

  Turn turn() {
    return {this, [self = weak_from_this()](void*) {
              if (const auto queue = self.lock()) queue->pass_on();
            }};
  }

  void pass_on() {
    std::shared_ptr<Waiter> job;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        is_taken_ = false;
        return;
      }
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job->take(turn());
  }

  std::mutex mutex_;
  std::deque<std::shared_ptr<Waiter>> waiting_;
  bool is_taken_ = false, is_draining_ = false;
};

}  // namespace gpt2run
