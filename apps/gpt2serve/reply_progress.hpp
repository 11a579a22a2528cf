// ReplyProgress: what a connection and the reply to its present request share.
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>

namespace gpt2run {

// Any thread. It ends once: with complete() or with go().
class ReplyProgress {
 public:
  // The answer is complete.
  void complete() { end(false); }
  // The client is gone; the callback runs now, unless the answer was complete.
  void go() { end(true); }

  void on_gone(std::function<void()> callback) {
    {
      const std::lock_guard lock(mutex_);
      if (is_complete_) return;
      if (!is_gone_) return gone_.swap(callback);
    }
    callback();
  }
  bool is_gone() const {
    const std::lock_guard lock(mutex_);
    return is_gone_;
  }

  std::atomic<size_t> pending = 0;  // bytes that have been written by the reply and not yet sent

 private:
  void end(bool is_gone) {
    std::function<void()> callback;  // destroyed without the lock, as it may own anything
    {
      const std::lock_guard lock(mutex_);
      if (is_complete_ || is_gone_) return;
      (is_gone ? is_gone_ : is_complete_) = true;
      callback.swap(gone_);
    }
    if (is_gone && callback) callback();
  }

  mutable std::mutex mutex_;
  bool is_complete_ = false, is_gone_ = false;
  std::function<void()> gone_;
};

}  // namespace gpt2run
