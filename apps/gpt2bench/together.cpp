// Threads wait at a flag: starting them is no part of the time.
#include "gpt2bench/together.hpp"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace gpt2run {

double seconds_together(int threads, const std::function<void(int thread)>& work) {
  std::atomic<int> ready = 0;
  std::atomic<bool> go = false;
  std::vector<std::jthread> others;
  for (int i = 1; i < threads; ++i) {
    others.emplace_back([&, i] {
      ++ready;
      while (!go) std::this_thread::yield();
      work(i);
    });
  }
  while (ready < threads - 1) std::this_thread::yield();
  const auto begin = std::chrono::steady_clock::now();
  go = true;
  work(0);
  others.clear();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace gpt2run
