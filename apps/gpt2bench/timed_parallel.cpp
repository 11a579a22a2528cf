// The threads wait for a flag, so that starting them is not part of the measured time.
#include "gpt2bench/timed_parallel.hpp"

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

double timed_parallel(int threads, const std::function<void(int thread)>& work) {
  std::atomic<int> ready = 0;
  std::atomic<bool> go = false;
  std::vector<std::jthread> others;
  const auto wait_and_work = [&](const std::stop_token& refused, int i) {
    ++ready;
    while (!go && !refused.stop_requested()) std::this_thread::yield();
    if (go) work(i);
  };
  try {
    for (int i = 1; i < threads; ++i) others.emplace_back(wait_and_work, i);
  } catch (const std::system_error& error) {
    fail("threads: ", threads, " asked for, the system refused after ", others.size() + 1, ": ", error.what());
  }
  while (ready < threads - 1) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  go = true;
  work(0);
  others.clear();
  return seconds_since(begin);
}

}  // namespace gpt2run
