// Asynchronous copies on the executor: a kernel that streams through a ring in shared memory, and the same kernel with
// one rule broken, which shows as NaN or as an error that names the thread.
#include "gpt2run/sdk/cuda/async_copy.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "executor/executor.hpp"
#include "gpt2run/error.hpp"
#include "kernels.hpp"
#include "support/error_of.hpp"

namespace gpt2run::test {
namespace {

constexpr int kSlots = 3, kLines = 8;

struct alignas(cuda::kCopyBytes) Four {
  float values[4];
};

enum class Fault {
  none,
  reads_before_wait,
  waits_for_one_less,
  reuses_a_slot,
  misaligned,
  source_changes,
  not_to_shared,
  leaves_one
};

// out (threads): the sum of the thread's vectors in `in` (kLines, threads).
template <Fault kFault>
GPT2RUN_KERNEL(kThreads)
stream_kernel(Four* in, float* out) {
  Four* const slots = cuda::Shared(cuda::shared_memory()).take<Four>(kSlots * kThreads) + cuda::thread_id();
  const auto slot = [&](int line) { return slots + line % kSlots * kThreads; };
  const auto vector = [&](int line) { return in + line * kThreads + cuda::thread_id(); };
  const auto request = [&](int line) {
    if (line < kLines) cuda::copy_async(slot(line), vector(line)->values + (kFault == Fault::misaligned));
    cuda::commit_copies();
  };
  for (int line = 0; line < kSlots; ++line) request(line);
  float sum = 0;
  for (int line = 0; line < kLines; ++line) {
    if (kFault == Fault::reuses_a_slot) request(line + kSlots);
    if (kFault == Fault::source_changes) vector(line)->values[1] += 1;
    if (kFault != Fault::reads_before_wait) cuda::wait_copies<kSlots - (kFault != Fault::waits_for_one_less)>();
    for (const float value : slot(line)->values) sum += value;
    if (kFault == Fault::reads_before_wait) cuda::wait_copies<kSlots - 1>();
    if (kFault != Fault::reuses_a_slot) request(line + kSlots);
  }
  cuda::wait_copies<0>();
  if (kFault == Fault::not_to_shared) cuda::copy_async(in, in + 1);
  if (kFault == Fault::leaves_one) cuda::copy_async(slots, in);
  out[cuda::thread_id()] = sum;
}

class AsyncCopy : public testing::TestWithParam<executor::Schedule> {
 protected:
  void SetUp() override { executor::configure({GetParam(), 3, 1}); }
  void TearDown() override { executor::configure({}); }

  // Runs the kernel on vectors of 1, and returns its error, or "no error".
  template <Fault kFault>
  std::string run() {
    std::vector<Four> in(kLines * kThreads, Four{{1, 1, 1, 1}});
    out.assign(kThreads, -1.0f);
    return error_of([&] {
      cuda::launch({"stream", {1, 1, 1}, kThreads, cuda::Shared::bytes_of<Four>(kSlots * kThreads), nullptr},
                   stream_kernel<kFault>, in.data(), out.data());
    });
  }

  template <Fault kFault>
  void expect_error(const std::string& expected) {
    const std::string found = run<kFault>();
    EXPECT_EQ(found.find("kernel stream, block 0,0,0: thread "), 0u) << found;
    EXPECT_NE(found.find(expected), std::string::npos) << found;
  }

  std::vector<float> out;
};

TEST_P(AsyncCopy, ARightKernelGetsEveryVector) {
  EXPECT_EQ(run<Fault::none>(), "no error");
  for (const float sum : out) EXPECT_EQ(sum, 4 * kLines);
}

TEST_P(AsyncCopy, ASlotIsNaNUntilItsGroupIsWaitedFor) {
  EXPECT_EQ(run<Fault::reads_before_wait>(), "no error");
  for (const float sum : out) EXPECT_TRUE(std::isnan(sum)) << sum;
}

TEST_P(AsyncCopy, AWrongCopyIsNamed) {
  expect_error<Fault::waits_for_one_less>("starts a copy to where another one is in flight");
  expect_error<Fault::reuses_a_slot>("starts a copy to where another one is in flight");
  expect_error<Fault::misaligned>("starts a copy whose address is not a multiple of 16");
  expect_error<Fault::source_changes>("waits for a copy whose source has changed since");
  expect_error<Fault::not_to_shared>("starts a copy to memory that is not the block's shared memory");
  expect_error<Fault::leaves_one>("ended while a copy was in flight");
}

INSTANTIATE_TEST_SUITE_P(All, AsyncCopy,
                         testing::Values(executor::Schedule::ascending, executor::Schedule::descending,
                                         executor::Schedule::random));

}  // namespace
}  // namespace gpt2run::test
