#include "grid.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <thread>

namespace gpt2run::executor {

// Neighbouring blocks have different runners, so that ThreadSanitizer finds what they do unordered, and so have all
// blocks of a cluster.
struct Grid::Workers {
  std::vector<std::unique_ptr<BlockRunner>> runners;
  size_t turn = 0;
  Cluster cluster;

  BlockRunner& next() { return *runners[turn++ % runners.size()]; }
  void prepare(int blocks_of_cluster) {
    while (std::ssize(runners) < std::max(2, blocks_of_cluster)) runners.push_back(std::make_unique<BlockRunner>());
    turn = 0;
  }
};

Grid::Grid(const Launch& launch, const std::function<void()>& body, const Settings& settings)
    : launch_(launch),
      body_(body),
      settings_(settings),
      order_(ordered(size_t(launch.blocks[0]) / launch.cluster * launch.blocks[1] * launch.blocks[2])),
      ranks_(ordered(launch.cluster)) {}

std::vector<size_t> Grid::ordered(size_t count) const {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  if (settings_.schedule == Schedule::descending) std::reverse(order.begin(), order.end());
  if (settings_.schedule == Schedule::random) std::shuffle(order.begin(), order.end(), std::mt19937(settings_.seed));
  return order;
}

void Grid::run() {
  Fences::begin_launch();
  BlockRunner::begin(launch_);
  if (settings_.workers <= 1) {
    work();
  } else {
    std::vector<std::thread> workers;
    for (int i = 0; i < settings_.workers; ++i) workers.emplace_back([this] { work(); });
    for (std::thread& worker : workers) worker.join();
  }
  BlockRunner::end(launch_);
  if (error_) std::rethrow_exception(error_);
}

void Grid::work() {
  thread_local Workers workers;
  workers.prepare(launch_.cluster);
  for (size_t i; (i = next_++) < order_.size();) {
    try {
      run_cluster(workers, i);
    } catch (...) {
      const std::lock_guard guard(mutex_);
      if (!error_) error_ = std::current_exception();
      next_ = order_.size();
    }
  }
}

// Runs the blocks of a cluster in turns, each as far as it comes. Device memory is hidden from the first block that
// runs, which the schedule chooses, and which then runs alone unless it waits for the others of its cluster.
void Grid::run_cluster(Workers& workers, size_t i) {
  const auto x = size_t(launch_.blocks[0]) / launch_.cluster, y = size_t(launch_.blocks[1]);
  Cluster& cluster = workers.cluster;
  cluster.clear();
  const struct End {
    const Cluster& blocks;
    ~End() {
      for (int rank = 0; rank < blocks.size(); ++rank) blocks.block(rank)->end_block();
    }
  } end{cluster};
  for (int rank = 0; rank < launch_.cluster; ++rank) {
    const int block[3] = {int(order_[i] % x) * launch_.cluster + rank, int(order_[i] / x % y), int(order_[i] / x / y)};
    const bool hides = i == 0 && rank == int(ranks_[0]) && settings_.workers <= 1;
    workers.next().begin_block(launch_, body_, block, settings_, cluster, hides);
  }
  std::vector<size_t> left = ranks_;
  while (!left.empty()) {
    bool any_moved = false;
    std::erase_if(left, [&](size_t rank) {
      BlockRunner& runner = *cluster.block(int(rank));
      const bool ended = runner.advance();
      any_moved |= runner.has_moved();
      return ended;
    });
    if (!any_moved) cluster.block(int(left[0]))->fail_stuck();
  }
  const std::lock_guard guard(mutex_);
  for (int rank = 0; rank < launch_.cluster; ++rank) {
    const BlockRunner& runner = *cluster.block(rank);
    steps_ = std::max(steps_, runner.steps()), contended_ = std::max(contended_, runner.contended());
  }
}

}  // namespace gpt2run::executor
