// Pool: threads that carry out one piece of work together. It is made for work of microseconds to milliseconds: workers
// spin for a moment before they sleep. One caller at a time. Work must not throw. It is carried out in the standard
// floating-point mode (float_mode.hpp), whatever the mode of the calling thread, which keeps its own.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace gpt2run::cpu {

// The part [begin, end) of `count` items that worker `worker` of `workers` owns. Boundaries are multiples of `unit`.
struct WorkRange {
  WorkRange(int count, int worker, int workers, int unit = 1) {
    const int64_t units = (count + unit - 1) / unit;
    begin = std::min<int64_t>(units * worker / workers * unit, count);
    end = std::min<int64_t>(units * (worker + 1) / workers * unit, count);
  }
  int begin, end;
};

class Pool {
 public:
  // Starts `workers` - 1 threads; the caller is worker 0. Throws Error if the system refuses a thread.
  explicit Pool(int workers);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int workers() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls work(worker, workers) on every worker and waits for all of them. What they wrote is visible to the caller.
  template <class Work>
  void run(const Work& work) {
    run(&call<Work>, &work);
  }

  // Calls work(0, 1) on the caller alone, for work that is done sooner than the workers wake up.
  template <class Work>
  void run_alone(const Work& work) {
    call_here(&call<Work>, &work, 0, 1);
  }

 private:
  using Call = void (*)(const void*, int, int) noexcept;
  template <class Work>
  static void call(const void* work, int worker, int workers) noexcept {
    (*static_cast<const Work*>(work))(worker, workers);
  }
  static void call_here(Call call, const void* work, int worker, int workers);
  void run(Call call, const void* work);
  void serve(int worker);
  void stop();

  Call call_ = nullptr;  // null ends the workers
  const void* work_ = nullptr;
  int total_ = 1;
  std::atomic<uint32_t> round_ = 0, busy_ = 0;
  std::vector<std::thread> threads_;
};

// The number of workers for Limits::threads; 0 is one per core that this process may use. Throws Error if out of range.
int workers_for(int threads);

}  // namespace gpt2run::cpu
