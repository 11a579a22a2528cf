// The threads of a pool. A new round of work is announced by incrementing its number. A worker that has seen no new
// round for some microseconds sleeps in the kernel until it is woken.
#include "pool.hpp"

#include <algorithm>
#include <system_error>

#include "float_mode.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/processors.hpp"

namespace gpt2run::cpu {
namespace {

constexpr int kSpins = 2000, kMostThreads = 1024;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until the value differs from `old`, and returns it.
uint32_t wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i, pause()) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

int workers_for(int threads) {
  if (threads < 0 || threads > kMostThreads) fail("threads: 0 to ", kMostThreads, " expected, found ", threads);
  if (threads > 0) return threads;
  return std::min(processors(), kMostThreads);
}

Pool::Pool(int workers) : total_(workers) {
  threads_.reserve(workers);  // so that starting a thread is all that can fail below
  try {
    for (int i = 1; i < workers; ++i) threads_.emplace_back(&Pool::serve, this, i);
  } catch (const std::system_error& error) {
    const size_t started = threads_.size() + 1;
    stop();
    fail("threads: ", workers, " asked for, the system refused after ", started, ": ", error.what());
  }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
  run(nullptr, nullptr);
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Pool::run(Call call, const void* work) {
  call_ = call, work_ = work;
  busy_.store(static_cast<uint32_t>(threads_.size()), std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  if (!threads_.empty()) round_.notify_all();
  if (call) call_here(call, work, 0, total_);
  for (uint32_t left = busy_.load(std::memory_order_acquire); left;) left = wait_for_change(busy_, left);
}

// Arithmetic stays between the two changes of mode because the compiler does not know what is called: it makes no copy
// of this function for a caller.
GPT2RUN_APART void Pool::call_here(Call call, const void* work, int worker, int workers) {
  const FloatMode mode(kStandardFloats);
  call(work, worker, workers);
}

void Pool::serve(int worker) {
  for (uint32_t round = 0;;) {
    wait_for_change(round_, round++);
    const Call call = call_;
    if (call) call_here(call, work_, worker, total_);
    if (busy_.fetch_sub(1, std::memory_order_release) == 1) busy_.notify_one();
    if (!call) return;
  }
}

}  // namespace gpt2run::cpu
