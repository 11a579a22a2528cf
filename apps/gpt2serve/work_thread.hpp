// WorkThread: a thread for work that takes long and must hold up neither the threads that speak HTTP nor an engine.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace gpt2run {

class WorkThread {
 public:
  using Work = std::function<void()>;

  WorkThread();
  ~WorkThread() { stop(); }
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;

  // Any thread. Of the works that wait the smallest runs first, and of equal ones that with the lowest number. Two that
  // wait must differ in size or number. What a work throws is logged and has no other effect. After stop() nothing
  // happens.
  void post(size_t size, uint64_t number, Work work);
  // Any thread. Drops a work that waits, and returns whether it did.
  bool drop(size_t size, uint64_t number);
  // Ends the thread after the present work; what waits is dropped. Not for the thread itself.
  void stop();

 private:
  void run();

  std::mutex mutex_;  // of all but thread_
  std::condition_variable arrived_;
  std::map<std::pair<size_t, uint64_t>, Work> waiting_;  // by size and number
  bool is_stopping_ = false;
  std::thread thread_;
};

// Runs work, and logs what it throws.
void run_logged(const WorkThread::Work& work);

}  // namespace gpt2run
