// Clusters on the executor: blocks that send values to each other's shared memory, and the same kernel with one rule
// broken, which shows in every order of threads and blocks.
#include "gpt2run/sdk/cuda/cluster.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "executor/executor.hpp"
#include "gpt2run/error.hpp"
#include "kernels.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {
namespace {

using executor::Schedule;

constexpr int kCluster = 4, kClusters = 3, kBlocks = kCluster * kClusters;

enum class Breach {
  none,
  no_barrier,
  no_wait,  // at the barrier
  twice,
  not_all,
  elsewhere,
  no_such_block,
  not_open,
  open_late,
  too_much,
  too_little,
  not_awaited,
  read_early,
};

// out (blocks, threads): in the rows of odd blocks the number of the block. Of each cluster they come together in the
// last block's shared memory; blocks of even numbers end at once.
template <Breach kBreach>
GPT2RUN_KERNEL(kThreads)
gather_kernel(float* out) {
  const int rank = cuda::block_x() % kCluster, own = cuda::thread_id();
  if (rank % 2 == 0) return;
  cuda::Shared shared(cuda::shared_memory());
  auto* inbox = shared.take<cuda::Inbox>(1);
  auto* values = shared.take<float>(kCluster * kThreads);
  constexpr int kBytes = kCluster / 2 * kThreads * static_cast<int>(sizeof(float));
  const auto open = [&] {
    if (rank == kCluster - 1 && own == 0)
      cuda::open_inbox(inbox, kBreach == Breach::too_much     ? kBytes - 4
                              : kBreach == Breach::too_little ? kBytes + 4
                                                              : kBytes);
  };
  if (kBreach != Breach::not_open && kBreach != Breach::open_late) open();
  if (kBreach != Breach::no_barrier && (kBreach != Breach::not_all || own > 0)) cuda::arrive_cluster();
  if (kBreach == Breach::open_late) open();
  if (kBreach == Breach::twice) cuda::arrive_cluster();
  if (kBreach == Breach::not_all && own == 0) cuda::sync_block();
  if (kBreach == Breach::no_wait && rank == 1) return;
  if (kBreach != Breach::no_barrier) cuda::wait_cluster();
  cuda::send(kBreach == Breach::elsewhere ? out : values + rank * kThreads + own, inbox,
             kBreach == Breach::no_such_block ? kCluster : kCluster - 1, static_cast<float>(cuda::block_x()));
  if (rank < kCluster - 1) return;
  const auto put = [&] {
    for (int i = 1; i < kCluster; i += 2)
      out[(cuda::block_x() - rank + i) * kThreads + own] = values[i * kThreads + kThreads - 1 - own];
  };
  if (kBreach == Breach::read_early) put();
  if (kBreach != Breach::not_awaited) cuda::wait_inbox(inbox);
  if (kBreach != Breach::read_early) put();
}

class Cluster : public testing::TestWithParam<Schedule> {
 protected:
  void SetUp() override { executor::configure({.schedule = GetParam(), .seed = 5, .cluster = kCluster}); }
  void TearDown() override { executor::configure({}); }

  // Returns the error of the launch, or "no error".
  template <Breach kBreach>
  std::string run(int blocks = kBlocks, int cluster = kCluster) {
    out.assign(kBlocks * kThreads, -1.0f);
    return error_of([&] {
      cuda::launch(
          {.name = "gather",
           .blocks = {blocks, 1, 1},
           .threads = kThreads,
           .shared = cuda::Shared::bytes_of<cuda::Inbox>(1) + cuda::Shared::bytes_of<float>(kCluster * kThreads),
           .stream = nullptr,
           .cluster = cluster},
          gather_kernel<kBreach>, out.data());
    });
  }
  template <Breach kBreach>
  void expect_error(const std::string& words) {
    const std::string found = run<kBreach>();
    EXPECT_NE(found.find(words), std::string::npos) << "expected '" << words << "', found '" << found << "'";
    EXPECT_EQ(run<Breach::none>(), "no error") << "after a fault";
  }

  std::vector<float> out;
};
INSTANTIATE_TEST_SUITE_P(Orders, Cluster, testing::Values(Schedule::ascending, Schedule::descending, Schedule::random));

TEST_P(Cluster, BlocksSendToEachOthersSharedMemory) {
  ASSERT_EQ(run<Breach::none>(), "no error");
  for (int i = 0; i < kBlocks * kThreads; ++i)
    ASSERT_EQ(out[i], i / kThreads % 2 ? static_cast<float>(i / kThreads) : -1.0f) << i;
}

TEST_P(Cluster, ABreachIsNamed) {
  expect_error<Breach::no_barrier>("sends to block 3 of its cluster, which may not have begun");
  expect_error<Breach::no_wait>("ended after it had arrived at a barrier of the cluster, without waiting");
  expect_error<Breach::twice>("arrives at a barrier of the cluster again before it has waited");
  expect_error<Breach::not_all>("for ever: ");
  expect_error<Breach::elsewhere>("that is not in its own shared memory");
  expect_error<Breach::no_such_block>("sends to block 4 of its cluster, which has no such block");
  expect_error<Breach::not_open>("names an inbox that is not open");
  expect_error<Breach::open_late>("opens an inbox after it has arrived at a barrier of the cluster");
  expect_error<Breach::too_much>("sends more than the inbox was opened for");
  expect_error<Breach::too_little>("waits for what is sent to its block for ever: ");
  expect_error<Breach::not_awaited>("ended");
}

TEST_P(Cluster, WhatIsReadTooEarlyIsNan) {
  ASSERT_EQ(run<Breach::read_early>(), "no error");
  for (int i = 0; i < kBlocks * kThreads; ++i) ASSERT_EQ(std::isnan(out[i]), i / kThreads % 2 == 1) << i;
}

TEST_P(Cluster, SizesThatADeviceHasNotAreRefused) {
  EXPECT_EQ(run<Breach::none>(2 * kCluster, 2 * kCluster),
            "kernel gather: expected 1 to 4 blocks of a cluster, found 8");
  EXPECT_EQ(run<Breach::none>(kBlocks + 1), "kernel gather: expected a multiple of 4 blocks, found 13");
  EXPECT_EQ(cuda::most_blocks_of_cluster({}, gather_kernel<Breach::none>), kCluster);
}

}  // namespace
}  // namespace gpt2run::test
