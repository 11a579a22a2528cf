// The executor gives the same results of correct kernels in every order, and reports the fault of an incorrect one.
#include "executor/executor.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "cuda/products.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/cuda/runtime.hpp"
#include "kernels.hpp"

namespace gpt2run::test {
namespace {

using executor::Schedule;
using executor::Settings;

constexpr Settings kSchedules[] = {{Schedule::ascending, 1, 1},
                                   {Schedule::descending, 1, 1},
                                   {Schedule::random, 1, 1},
                                   {Schedule::random, 2, 1},
                                   {Schedule::random, 3, 4}};

class Executor : public testing::Test {
 protected:
  void TearDown() override { executor::configure({}); }

  // The error of a launch without a stream, which runs at once; "no error" if there is none.
  template <class Launch>
  static std::string error_of(Launch launch) {
    try {
      launch();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
};

template <bool kBarrier, int kOverrun = 0>
std::vector<float> sums(const std::vector<float>& in) {
  const int blocks = static_cast<int>(in.size()) / kThreads;
  std::vector<float> out(blocks, -1.0f);
  cuda::launch({"sum", {blocks, 1, 1}, kThreads, cuda::Shared::bytes_of<float>(2), nullptr},
               sum_kernel<kBarrier, kOverrun>, in.data(), out.data());
  return out;
}

std::vector<float> counting(int count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST_F(Executor, GivesTheSameInEveryOrder) {
  const std::vector<float> in = counting(5 * kThreads);
  std::vector<float> expected;
  for (int block = 0; block < 5; ++block)
    expected.push_back(std::accumulate(&in[block * kThreads], &in[block * kThreads] + kThreads, 0.0f));
  for (const Settings& settings : kSchedules) {
    executor::configure(settings);
    EXPECT_EQ(sums<true>(in), expected);
    int counter = 0;
    float partial[40] = {}, out = -1;
    cuda::launch({"last", {40, 1, 1}, kThreads, 0, nullptr}, last_block_kernel, &counter, partial, &out);
    EXPECT_EQ(out, 820.0f);
  }
}

TEST_F(Executor, WarpsExchangeByLane) {
  for (const Settings& settings : kSchedules) {
    executor::configure(settings);
    std::vector<uint32_t> votes(kThreads);
    std::vector<int> from(kThreads);
    cuda::launch({"lanes", {1, 1, 1}, kThreads, 0, nullptr}, lanes_kernel, votes.data(), from.data());
    for (int thread = 0; thread < kThreads; ++thread) {
      for (int lane = 0; lane < 32; ++lane) EXPECT_EQ(votes[thread] >> lane & 1, (thread / 32 * 32 + lane) % 3 == 0);
      EXPECT_EQ(from[thread], thread / 32 * 32 + (thread + 5) % 32);
    }
  }
}

// Shared memory is filled with NaN, so a value that is read too early shows in at least one order.
TEST_F(Executor, AMissingBarrierShowsInAnOrder) {
  const std::vector<float> in = counting(2 * kThreads), expected = sums<true>(in);
  int wrong = 0;
  for (const Settings& settings : kSchedules) {
    executor::configure(settings);
    const std::vector<float> found = sums<false>(in);
    wrong += found != expected;
    EXPECT_TRUE(settings.schedule != Schedule::ascending || std::isnan(found[0])) << found[0];
  }
  EXPECT_GT(wrong, 0);
}

TEST_F(Executor, AnOverrunOfSharedMemoryIsCaught) {
  const std::vector<float> in = counting(kThreads);
#if defined(__SANITIZE_ADDRESS__)
  EXPECT_DEATH((sums<true, 3>(in)), "heap-buffer-overflow");
#else
  EXPECT_EQ(error_of([&] { sums<true, 3>(in); }),
            "kernel sum, block 0,0,0: wrote behind its shared memory of 16 bytes");
#endif
}

TEST_F(Executor, AnAccessOutOfBoundsIsCaught) {
#if defined(__SANITIZE_ADDRESS__)
  const cuda::Array<float> in(70), out(70);
  const auto run = [&](auto kernel) {
    cuda::launch({"reverse", {2, 1, 1}, kThreads, 0, nullptr}, kernel, in.data(), out.data(), 70);
  };
  run(reverse_kernel<0>);
  EXPECT_DEATH(run(reverse_kernel<1>), "heap-buffer-overflow");
#else
  GTEST_SKIP() << "seen by AddressSanitizer only";
#endif
}

TEST_F(Executor, ADivergedExchangeIsNamed) {
  std::vector<float> out(kThreads);
  const auto run = [&](auto kernel) {
    return error_of([&] { cuda::launch({"half", {1, 1, 1}, kThreads, 0, nullptr}, kernel, out.data()); });
  };
  EXPECT_EQ(run(half_kernel<Half::own_mask>), "no error");
  EXPECT_EQ(out[3], 5.0f);
  for (const Settings& settings : kSchedules) {
    executor::configure(settings);
    // Some thread fails in every order, but which one depends on the order.
    for (const auto kernel : {half_kernel<Half::whole_mask>, half_kernel<Half::at_barrier>, half_kernel<Half::gone>})
      EXPECT_EQ(run(kernel).rfind("kernel half, block 0,0,0: thread ", 0), 0u) << run(kernel);
  }
  executor::configure({});
  EXPECT_NE(run(half_kernel<Half::whole_mask>).find("thread 16 at kernels.hpp:"), std::string::npos);
  EXPECT_NE(run(half_kernel<Half::whole_mask>).find("comes with another mask than line"), std::string::npos);
  EXPECT_NE(run(half_kernel<Half::at_barrier>).find("waits in a warp's exchange for ever: thread 16 at"),
            std::string::npos);
  EXPECT_NE(run(half_kernel<Half::gone>).find("thread 16 ended, but a mask at line"), std::string::npos);
}

TEST_F(Executor, ADivergedBarrierIsNamed) {
  std::vector<float> out(kThreads);
  const auto run = [&](auto kernel) {
    return error_of([&] { cuda::launch({"barrier", {1, 1, 1}, kThreads, 0, nullptr}, kernel, out.data()); });
  };
  EXPECT_NE(run(barrier_kernel<true>).find("waits at a barrier for ever: thread 0 is ended"), std::string::npos)
      << run(barrier_kernel<true>);
  EXPECT_NE(run(barrier_kernel<false>).find("waits at another barrier than thread 0 at kernels.hpp:"),
            std::string::npos);
}

TEST_F(Executor, LaunchesBeyondTheLimitsAreRefused) {
  std::vector<float> out(2048);
  const auto run = [&](int blocks, int threads, size_t shared) {
    return error_of([&] {
      cuda::launch({"b", {1, blocks, 1}, threads, shared, nullptr}, barrier_kernel<false>, &out[0]);
    });
  };
  EXPECT_EQ(run(1, 1025, 0), "kernel b: expected 1 to 1024 threads of a block, found 1025");
  EXPECT_EQ(run(1, 0, 0), "kernel b: expected 1 to 1024 threads of a block, found 0");
  EXPECT_EQ(run(1, 64, cuda::kMostSharedBytes + 1),
            "kernel b: expected 1 to 101376 bytes of shared memory, found 101377");
  EXPECT_EQ(run(65536, 64, 0), "kernel b: expected 1 to 65535 blocks, found 65536");
  EXPECT_EQ(run(0, 64, 0), "kernel b: expected 1 to 65535 blocks, found 0");
}

// A stream runs its work in order when somebody waits. A graph runs when it is replayed. Errors are thrown by the wait.
TEST_F(Executor, StreamsRunWhenSomebodyWaits) {
  void* stream = cuda::make_stream();
  const cuda::Array<float> in(4), out(4);
  const float values[] = {1, 2, 3, 4};
  float found[4] = {};
  const int64_t waits = executor::counts().waits, replays = executor::counts().replays;
  const auto reverse = [&] {
    cuda::launch({"reverse", {1, 1, 1}, 4, 0, stream}, reverse_kernel<0>, in.data(), out.data(), 4);
    cuda::copy(in.data(), out.data(), in.bytes(), stream);
  };
  cuda::upload(in.data(), values, sizeof values, stream);
  reverse();
  cuda::begin_capture(stream);
  reverse();
  void* graph = cuda::end_capture(stream);
  EXPECT_TRUE(std::isnan(out.data()[0])) << "nothing has run";
  cuda::download(out.data(), found, sizeof found, stream);
  EXPECT_EQ(found[0], 4) << "the recorded work has not run";
  cuda::replay(graph, stream);
  cuda::replay(graph, stream);
  cuda::download(out.data(), found, sizeof found, stream);
  EXPECT_EQ(found[0], 4);
  EXPECT_EQ(executor::counts().waits - waits, 3) << "an upload and two downloads";
  EXPECT_EQ(executor::counts().replays - replays, 2);
  cuda::launch({"barrier", {1, 1, 1}, 8, 0, stream}, barrier_kernel<true>, out.data());
  EXPECT_THROW(cuda::wait(stream), Error);
  cuda::release_graph(graph);
  cuda::release_stream(stream);
}

// The same test as for cuBLASLt on a device, here for its substitute.
TEST_F(Executor, ProductsOfManyRowsAreThoseOfPlainSums) { expect_products(40); }

}  // namespace
}  // namespace gpt2run::test
