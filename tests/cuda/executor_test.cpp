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
#include "support/error_of.hpp"
#include "support/sanitizers.hpp"

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
    cuda::launch({"last", {40, 1, 1}, kThreads, 0, nullptr}, last_block_kernel<Fence::both>, &counter, partial, &out);
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
  EXPECT_EQ(run(1, kThreads + 1, 0), "kernel b: expected 1 to 64 threads of a block, found 65");
  EXPECT_EQ(run(1, 0, 0), "kernel b: expected 1 to 64 threads of a block, found 0");
  EXPECT_EQ(run(1, 64, cuda::kMostSharedBytes + 1),
            "kernel b: expected 1 to 101376 bytes of shared memory, found 101377");
  EXPECT_EQ(run(65536, 64, 0), "kernel b: expected 1 to 65535 blocks, found 65536");
  EXPECT_EQ(run(0, 64, 0), "kernel b: expected 1 to 65535 blocks, found 0");
}

TEST_F(Executor, AMisalignedVectorIsNamed) {
  std::vector<float> in(cuda::kVector<float> * (kThreads + 1)), out(kThreads);
  const auto run = [&](auto kernel) {
    return error_of([&] { cuda::launch({"vectors", {1, 1, 1}, kThreads, 0, nullptr}, kernel, in.data(), out.data()); });
  };
  EXPECT_EQ(run(vectors_kernel<0>), "no error");
  EXPECT_EQ(run(vectors_kernel<4>), "no error");
  const std::string said = run(vectors_kernel<1>);
  EXPECT_EQ(said.rfind("kernel vectors, block 0,0,0: thread 0 at math.cuh:", 0), 0u) << said;
  EXPECT_NE(said.find("accesses a vector of 16 bytes that begins 4 bytes behind a multiple of its size"),
            std::string::npos)
      << said;
}

// Memory of the host and of a device, and a stream of that device.
class Memory : public Executor {
 protected:
  void SetUp() override { SKIP_UNDER_ASAN("the sanitizer has device memory on the heap"); }
  ~Memory() override { cuda::release_stream(stream_); }

  // The error of a launch of view_kernel on the stream.
  std::string error_with(float* values) const {
    return error_of([&] {
      cuda::launch({"view", {1, 1, 1}, kThreads, 0, stream_}, view_kernel, View{kThreads, values});
      cuda::wait(stream_);
    });
  }

  void* stream_ = cuda::make_stream();
  cuda::Array<float> device_{kThreads};
  std::vector<float> host_ = std::vector<float>(kThreads, 0.0f);
};

TEST_F(Memory, OfTheHostIsRefusedInKernels) {
  EXPECT_EQ(error_with(device_.data()), "no error");
  EXPECT_EQ(error_with(device_.data() + 3), "no error");
  EXPECT_EQ(error_with(host_.data()),
            "kernel view, argument 1: expected memory of device 0, found a pointer to memory of the host at byte 8");
}

TEST_F(Memory, OfAnotherDeviceIsRefused) {
  cuda::use_device(1);
  const cuda::Array<float> other(kThreads);
  cuda::use_device(0);
  EXPECT_EQ(error_with(other.data()),
            "kernel view, argument 1: expected memory of device 0, found a pointer to memory of device 1 at byte 8");
  EXPECT_EQ(error_of([&] { cuda::copy(device_.data(), other.data(), sizeof(float), stream_); }),
            "copying on the device: expected memory of device 0, found memory of device 1");
}

TEST_F(Memory, OfTheHostIsRefusedInCopiesOnTheDevice) {
  const size_t bytes = device_.bytes();
  const auto to_device = [&](const char* what) {
    return std::string(what) + ": expected memory of device 0, found memory of the host";
  };
  const auto to_host = [&](const char* what) {
    return std::string(what) + ": expected memory of the host, found memory of device 0";
  };
  EXPECT_EQ(error_of([&] { cuda::copy(device_.data(), host_.data(), bytes, stream_); }),
            to_device("copying on the device"));
  EXPECT_EQ(error_of([&] { cuda::fill_zero(host_.data(), bytes, stream_); }), to_device("clearing memory"));
  EXPECT_EQ(error_of([&] { cuda::upload(host_.data(), host_.data(), bytes, stream_); }),
            to_device("copying to the device"));
  EXPECT_EQ(error_of([&] { cuda::upload(device_.data(), device_.data(), bytes, stream_); }),
            to_host("copying to the device"));
  EXPECT_EQ(error_of([&] { cuda::download(host_.data(), host_.data(), bytes, stream_); }),
            to_device("copying to the host"));
  EXPECT_EQ(error_of([&] { cuda::download(device_.data(), device_.data(), bytes, stream_); }),
            to_host("copying to the host"));
}

TEST_F(Memory, OfTheDeviceIsClosedToTheHost) {
  const char* how = std::getenv("GPT2RUN_EXECUTOR_MEMORY");
  if (!how || std::string(how) != "closed") GTEST_SKIP() << "GPT2RUN_EXECUTOR_MEMORY is not closed";
  cuda::fill_zero(device_.data(), device_.bytes(), stream_);
  cuda::wait(stream_);
  {
    const executor::OpenMemory open;
    EXPECT_EQ(device_.data()[3], 0.0f);
  }
  EXPECT_DEATH(std::printf("%f", static_cast<double>(device_.data()[3])), "");
}

TEST_F(Memory, IsTakenAgainOnceItIsGivenBack) {
  float* const before = cuda::Array<float>(1000).data();
  const cuda::Array<float> first(400), second(600);
  EXPECT_EQ(first.data(), before);
  EXPECT_LT(second.data(), before + 1088) << "both fit where one was";
}

// A graph is recorded without asking cuBLASLt for anything: each shape must have been multiplied before.
TEST_F(Executor, AProductOfANewShapeIsRefusedInARecording) {
  void* stream = cuda::make_stream();
  const auto library = cuda::open_gemm();
  const cuda::Array<float> in(4 * 8), weights(2 * 8), out(4 * 2);
  const auto multiply = [&](int rows) {
    library->multiply({.type = Type::f32,
                       .in = in.data(),
                       .weights = weights.data(),
                       .bias = nullptr,
                       .out = out.data(),
                       .rows = rows,
                       .outputs = 2,
                       .inputs = 8,
                       .out_stride = 2,
                       .adds = false},
                      stream);
  };
  multiply(3);
  cuda::begin_capture(stream);
  multiply(3);
  EXPECT_EQ(
      error_of([&] { multiply(4); }),
      "a product of 4 rows: its first one, which asks for a plan and loads kernels, comes while this thread records a "
      "graph");
  cuda::abandon_capture(stream);
  multiply(4);
  cuda::begin_capture(stream);
  EXPECT_EQ(error_of([&] { multiply(4); }), "no error");
  cuda::abandon_capture(stream);
  cuda::release_stream(stream);
}

template <int kAny>
GPT2RUN_KERNEL(cuda::kWarp, kAny)
any_kernel(int) {}
GPT2RUN_KERNEL(1) single_kernel() {}
GPT2RUN_KERNEL(1024) widest_kernel() {}

TEST_F(Executor, ALaunchBeyondTheKernelsOwnBoundIsRefused) {
  const auto run = [&](int threads, auto kernel, auto... arguments) {
    return error_of([&] { cuda::launch({"k", {1, 1, 1}, threads, 0, nullptr}, kernel, arguments...); });
  };
  EXPECT_EQ(run(32, any_kernel<1>, 0), "no error");
  EXPECT_EQ(run(33, any_kernel<2>, 0), "kernel k: expected 1 to 32 threads of a block, found 33");
  EXPECT_EQ(run(1, single_kernel), "no error");
  EXPECT_EQ(run(2, single_kernel), "kernel k: expected 1 to 1 threads of a block, found 2");
  EXPECT_EQ(run(1024, widest_kernel), "no error");
  EXPECT_EQ(run(1025, widest_kernel), "kernel k: expected 1 to 1024 threads of a block, found 1025");
  EXPECT_EQ(run(
                1, +[] {}),
            "kernel k: expected a bound of its threads, found none: GPT2RUN_KERNEL");
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
  {
    const executor::OpenMemory open;
    EXPECT_TRUE(std::isnan(out.data()[0])) << "nothing has run";
  }
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
