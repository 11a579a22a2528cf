// Grid: the blocks of a launch, run in the order of the schedule.
#pragma once
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "block.hpp"

namespace gpt2run::executor {

class Grid {
 public:
  // All of these are used until run() returns.
  Grid(const Launch& launch, const std::function<void()>& body, const Settings& settings);

  // Runs all blocks. Throws Error for the first fault of a block.
  void run();
  // Of the block that has most of them, as in Counts.
  int64_t steps() const { return steps_; }
  int64_t contended() const { return contended_; }

 private:
  struct Workers;

  void work();
  void run_cluster(Workers& workers, size_t i);
  std::vector<size_t> ordered(size_t count) const;

  const Launch& launch_;
  const std::function<void()>& body_;
  const Settings& settings_;
  std::vector<size_t> order_;  // of clusters
  std::vector<size_t> ranks_;  // the order of a cluster's blocks
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  int64_t steps_ = 0, contended_ = 0;
  std::exception_ptr error_;
};

}  // namespace gpt2run::executor
