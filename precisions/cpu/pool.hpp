// A few threads that do one piece of work together, for kernels of microseconds to milliseconds: they spin for a moment
// before they sleep. One caller at a time; work must not throw.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

namespace gpt2run::cpu {

// Worker `worker` of `workers` owns [begin, end) of `count` items; boundaries are multiples of `unit`.
struct Share {
  Share(int count, int worker, int workers, int unit = 1) {
    const int64_t units = (count + unit - 1) / unit;
    begin = std::min<int64_t>(units * worker / workers * unit, count);
    end = std::min<int64_t>(units * (worker + 1) / workers * unit, count);
  }
  int begin, end;
};

class Pool {
 public:
  // The caller is worker 0, so `workers` - 1 threads are started. Throws Error when the system refuses one.
  explicit Pool(int workers);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int workers() const { return static_cast<int>(threads_.size()) + 1; }

  // work(worker, workers) on every worker; returns when all are done. What they wrote is visible to the caller.
  template <class Work>
  void run(const Work& work) {
    run([](const void* at, int worker, int workers) noexcept { (*static_cast<const Work*>(at))(worker, workers); },
        &work);
  }

 private:
  using Call = void (*)(const void*, int, int) noexcept;
  void run(Call call, const void* work);
  void serve(int worker);
  void stop();

  Call call_ = nullptr;  // null: end
  const void* work_ = nullptr;
  int total_ = 1;
  std::atomic<uint32_t> round_ = 0, busy_ = 0;
  std::vector<std::thread> threads_;
};

// Limits::threads as a number of workers: 0 is one per core that this process may use. Throws Error when out of range.
int workers_for(int threads);

}  // namespace gpt2run::cpu
