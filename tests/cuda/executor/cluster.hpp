// Cluster: the blocks that run at the same time and send values to each other's shared memory, and their barrier, which
// orders no accesses. A block of a launch without clusters has one of its own.
#pragma once
#include <cstdint>
#include <vector>

namespace gpt2run::executor {

class BlockRunner;

class Cluster {
 public:
  // What a thread knows of the barrier.
  struct Own {
    bool has_arrived = false;
    uint64_t phase = 0;  // of the barrier, when the thread arrived
    int passed = 0;      // barriers that the thread has passed
  };

  // Forgets all blocks.
  void clear();
  // The blocks come in the order of their ranks.
  void add(BlockRunner& block, int threads);
  // nullptr if there is no such rank.
  BlockRunner* block(int rank) const;
  int size() const { return static_cast<int>(blocks_.size()); }

  // A thread arrives, or ends. The barrier is passed when all that have not ended have arrived. Both return what the
  // thread does wrong, or nullptr.
  const char* arrive(Own& own);
  const char* end(const Own& own);
  bool is_passed(const Own& own) const { return own.phase < phase_; }

 private:
  void pass_if_complete();

  std::vector<BlockRunner*> blocks_;
  int alive_ = 0, arrived_ = 0;
  uint64_t phase_ = 0;
};

}  // namespace gpt2run::executor
