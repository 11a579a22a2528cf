// Programmatic dependent launch on the executor: a kernel that may start before the one in front has ended, and the
// same kernel with one rule broken, which shows as NaN or as an error.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "executor/executor.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/cuda/async_copy.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "kernels.hpp"

namespace gpt2run::test {
namespace {

constexpr int kCount = 3 * kThreads;

enum class Early { weights, input, output, copy, one_never_waits, barrier };

// out (count) = in (count) + weights (count). kEarly: what a thread does before it waits for the kernel in front.
template <Early kEarly>
GPT2RUN_KERNEL(kThreads)
add_kernel(const float* weights, const float* in, float* out) {
  const int i = cuda::block_x() * kThreads + cuda::thread_id();
  auto* slots = cuda::Shared(cuda::shared_memory()).take<float>(kThreads * 4);
  const float weight = weights[i];
  float value = 0;
  if (kEarly == Early::input) value = in[i];
  if (kEarly == Early::output) out[i] = 0;
  if (kEarly == Early::copy) cuda::copy_async(slots + 4 * cuda::thread_id(), in + i / 4 * 4);
  if (kEarly == Early::barrier && cuda::thread_id() >= 40) cuda::sync_block();
  if (kEarly != Early::one_never_waits || cuda::thread_id() != 7) cuda::wait_for_previous_kernel();
  cuda::commit_copies();
  cuda::wait_copies<0>();
  if (kEarly == Early::barrier && cuda::thread_id() < 40) cuda::sync_block();
  if (kEarly == Early::copy) value = slots[4 * cuda::thread_id() + i % 4];
  if (kEarly != Early::input && kEarly != Early::copy) value = in[i];
  out[i] = value + weight;
}

class DependentLaunch : public testing::TestWithParam<executor::Schedule> {
 protected:
  DependentLaunch() : weights(kCount), in(kCount), between(kCount), out(kCount) {}

  void SetUp() override {
    executor::configure({GetParam(), 5, 1});
    const executor::OpenMemory open;
    for (int i = 0; i < kCount; ++i) weights.data()[i] = static_cast<float>(i), in.data()[i] = 0.5f;
    cuda::set_read_only(weights.data());
  }
  void TearDown() override { executor::configure({}); }

  // Runs the kernel twice, the second time with the output of the first as its input. Returns the error, or "".
  template <Early kEarly>
  std::string run(const float* first = nullptr, bool dependent = true) {
    void* const stream = cuda::make_stream();
    const auto add = [&](const float* from, const float* to_add, float* to) {
      cuda::launch({"add",
                    {kCount / kThreads, 1, 1},
                    kThreads,
                    cuda::Shared::bytes_of<float>(kThreads * 4),
                    cuda::KernelStream(stream, dependent)},
                   add_kernel<kEarly>, to_add, from, to);
    };
    add(in.data(), first ? first : weights.data(), between.data());
    add(between.data(), weights.data(), out.data());
    std::string found;
    try {
      cuda::wait(stream);
    } catch (const Error& error) {
      found = error.what();
    }
    cuda::release_stream(stream);
    return found;
  }

  // How many outputs are not as they should be.
  int wrong() const {
    const executor::OpenMemory open;
    int count = 0;
    for (int i = 0; i < kCount; ++i) count += !(out.data()[i] == 0.5f + static_cast<float>(2 * i));
    return count;
  }

  cuda::Array<float> weights, in, between, out;
};

TEST_P(DependentLaunch, ReadsWeightsBeforeItWaits) {
  for (const bool dependent : {true, false}) {
    const executor::Counts before = executor::counts();
    EXPECT_EQ(run<Early::weights>(nullptr, dependent), "");
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(executor::counts().launches - before.launches, 2);
    EXPECT_EQ(executor::counts().dependent - before.dependent, dependent ? 2 : 0);
  }
}

TEST_P(DependentLaunch, AllElseIsNaNBeforeItWaits) {
  EXPECT_EQ(run<Early::input>(), "");
  EXPECT_GE(wrong(), kThreads);
  EXPECT_EQ(run<Early::input>(nullptr, false), "");
  EXPECT_EQ(wrong(), 0) << "a kernel that is not dependent has nothing to wait for";
  cuda::Array<float> not_read_only(kCount);
  {
    const executor::OpenMemory open;
    std::fill_n(not_read_only.data(), kCount, 1.0f);
  }
  EXPECT_EQ(run<Early::weights>(not_read_only.data()), "");
  EXPECT_GE(wrong(), kThreads);
}

TEST_P(DependentLaunch, AnAsynchronousCopyCountsAsARead) {
  const std::string found = run<Early::copy>();
  EXPECT_NE(found.find("waits for a copy whose source has changed since"), std::string::npos) << found;
}

TEST_P(DependentLaunch, AWriteBeforeItWaitsIsNamed) {
  const std::string found = run<Early::output>();
  EXPECT_NE(found.find("wrote device memory before it waited for the kernel in front"), std::string::npos) << found;
  EXPECT_EQ(found.find("kernel add, block "), 0u) << found;
}

TEST_P(DependentLaunch, EveryThreadWaits) {
  const std::string ended = run<Early::one_never_waits>(), stuck = run<Early::barrier>();
  EXPECT_NE(ended.find("thread 7 ended without waiting for the kernel in front"), std::string::npos) << ended;
  EXPECT_NE(stuck.find("waits for the kernel in front for ever"), std::string::npos) << stuck;
}

INSTANTIATE_TEST_SUITE_P(All, DependentLaunch,
                         testing::Values(executor::Schedule::ascending, executor::Schedule::descending,
                                         executor::Schedule::random));

}  // namespace
}  // namespace gpt2run::test
