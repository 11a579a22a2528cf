// BlockRunner: runs the blocks of a launch, one at a time, or those of a cluster in turns. The threads of a block are
// fibers that take turns in the order of the schedule. ThreadSanitizer takes blocks of different runners for unordered,
// and those of one runner for ordered; it is told of the launch by its address, which the caller names before and after
// all blocks.
#pragma once
#include <array>
#include <exception>
#include <memory>
#include <vector>

#include "cluster.hpp"
#include "executor.hpp"
#include "fences.hpp"
#include "fiber.hpp"
#include "hidden_memory.hpp"
#include "inbox.hpp"

namespace gpt2run::executor {

class BlockRunner {
 public:
  BlockRunner();
  ~BlockRunner();

  // Makes a block ready to run. block: its coordinates. cluster: that of the block, which names this runner. hides:
  // device memory is hidden from a dependent kernel until all of its threads wait for the kernel in front. All of these
  // are used until the block has ended.
  void begin_block(const Launch& launch, const std::function<void()>& body, const int (&block)[3],
                   const Settings& settings, Cluster& cluster, bool hides);
  // Runs the block until it has ended, and returns true, or until it waits for other blocks of the cluster, and returns
  // false. Throws Error for a fault of one of its threads.
  bool advance();
  bool has_moved() const { return moved_; }  // whether the last advance() ran any thread
  // Of a block that has ended, or that is left where it is after a fault: shows memory that it may still hide.
  void end_block() { hidden_.show(); }
  // Those of the last block that was run, as in Counts.
  int64_t steps() const { return steps_; }
  int64_t contended() const { return contended_; }

  static BlockRunner& current();  // the runner whose fiber is running
  const Thread& self() const;
  void sync_block(Site);
  void wait_for_previous_kernel(Site);
  const void* exchange(uint32_t mask, const void* value, size_t bytes, int source, Site);
  void note_update(const void* at);
  void copy_async(void* to, const void* from, Site);
  void commit_copies();
  void wait_copies(int left, Site);
  void arrive_cluster(Site);
  void wait_cluster(Site);
  void open_inbox(const void* inbox, int bytes, Site);
  void send(const float* own, const void* inbox, int rank, float value, Site);
  void wait_inbox(const void* inbox, Site);
  Fences::Own& own_fences();

  // Called by the thread that launches, before the first block and after the last one.
  static void begin(const Launch&);
  static void end(const Launch&);

  [[noreturn]] void fail_here(Site site, const std::string& what) const;  // names the running thread
  // Throws Error when threads wait and none can continue. The message names one thread in each state.
  [[noreturn]] void fail_stuck() const;

 private:
  struct Exchange;
  struct Lane;
  struct Warp {
    uint32_t running;  // lanes that have not ended
    std::vector<std::unique_ptr<Exchange>> exchanges;
  };
  enum class State { ready, barrier, exchange, previous, cluster, inbox, done };

  void prepare(const Launch& launch, const int (&block)[3]);
  void order_threads();
  bool sweep();
  bool wake_from_cluster();
  size_t shared_offset(const void* at, size_t bytes, Site site) const;
  void release_barrier();
  void end_step();
  void release_previous();
  void finish(Lane& lane);
  void check_shared(const Launch& launch) const;
  Exchange& open_exchange(Lane& lane, uint32_t mask, size_t bytes);
  void drop(Lane& lane);
  void refuse_mask(const Lane& lane, uint32_t mask, int source) const;
  void pause(State state, Site site);
  [[noreturn]] void fail_at(const Lane& lane, Site site, const std::string& what) const;
  std::string place(const Lane& lane, Site site) const;
  void* new_sync_address();

  const Launch* launch_ = nullptr;
  const Settings* settings_ = nullptr;
  Cluster* cluster_ = nullptr;
  Inbox inbox_;
  bool moved_ = false;
  std::vector<std::unique_ptr<Lane>> lanes_;  // kept from launch to launch
  int threads_ = 0, alive_ = 0, at_barrier_ = 0, at_previous_ = 0, at_cluster_ = 0, at_inbox_ = 0;
  HiddenMemory hidden_;
  std::array<uint64_t, 4096> sync_addresses_;  // addresses by which a sanitizer knows barriers and exchanges
  size_t next_sync_address_ = 0;
  void* barrier_ = nullptr;  // address of the next barrier
  std::vector<int> order_;
  uint64_t random_ = 0;
  Lane* running_ = nullptr;
  std::exception_ptr error_;
  std::unique_ptr<std::byte[]> shared_;
  size_t shared_bytes_ = 0;
  int64_t steps_ = 0, contended_ = 0;
  std::vector<uint32_t> updates_;  // of every four bytes of shared memory in this step
  bool updated_ = false;
  std::vector<Warp> warps_;
  std::vector<std::unique_ptr<Exchange>> spare_;
  std::function<void()> thread_;
  const std::function<void()>* body_ = nullptr;
};

}  // namespace gpt2run::executor
