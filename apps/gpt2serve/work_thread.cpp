#include "gpt2serve/work_thread.hpp"

#include <string>

#include "host/log.hpp"

namespace gpt2run {

WorkThread::WorkThread() : thread_([this] { run(); }) {}

void WorkThread::post(size_t size, uint64_t number, Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    waiting_.emplace(std::pair(size, number), std::move(work));
  }
  arrived_.notify_one();
}

bool WorkThread::drop(size_t size, uint64_t number) {
  Work dropped;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  const auto found = waiting_.find({size, number});
  if (found == waiting_.end()) return false;
  dropped = std::move(found->second);
  waiting_.erase(found);
  return true;
}

void WorkThread::stop() {
  std::map<std::pair<size_t, uint64_t>, Work> dropped;  // destroyed without the lock
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    dropped.swap(waiting_);
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void WorkThread::run() {
  while (true) {
    Work work;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return is_stopping_ || !waiting_.empty(); });
      if (is_stopping_) return;
      work = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
    }
    run_logged(work);
  }
}

void run_logged(const WorkThread::Work& work) {
  try {
    work();
  } catch (const std::exception& error) {
    log_error(std::string("work of a request failed: ") + error.what());
  } catch (...) {
    log_error("work of a request failed: a plugin threw something that is no std::exception");
  }
}

}  // namespace gpt2run
