// Sessions on two devices in one thread. Everything that launches must select its own device first.
#include <gtest/gtest.h>

#include <thread>

#include "cuda/bodies.hpp"
#include "loop.hpp"
#include "support/error_of.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run::test {
namespace {

Limits limits_on(int device) {
  Limits limits = limits_of_bodies();
  limits.device = device;
  return limits;
}

OwnedChain every_sampler() {
  return OwnedChain(Space::test, {{"repetition-penalty", {}}, {"min-p", {}}, {"top-k", {}}, {"nucleus", kHot}});
}

// Uses another session, with its own samplers, between any two calls of a run.
class Interleaver {
 public:
  explicit Interleaver(Session& other) : other_(other) {
    for (Sampler* sampler : chain_.chain.samplers) sampler->prepare(other.layout());
  }
  void operator()() {
    const Row row[] = {{0, 1, true}};
    other_.start(0, {1, 1, 0, 0, 0, 0});
    const LogitBatch batch = other_.step(row);
    for (Sampler* sampler : chain_.chain.samplers) sampler->sample(batch);
    int32_t token;
    other_.read(batch.tokens, &token, sizeof token);
  }

 private:
  Session& other_;
  OwnedChain chain_ = every_sampler();
};

// Samplers of every kind are prepared and configured while another device is selected.
TEST(Devices, EveryCallSelectsItsOwn) {
  const TinyCheckpoint checkpoint;
  uint64_t key = 0;  // each run needs a new key, because its samplers end with it
  const auto run = [&](Session& session, auto&& meddle) {
    const OwnedChain chain = every_sampler();
    const auto call = [&](auto what) { return meddle(), what(); };
    for (Sampler* sampler : chain.chain.samplers) call([&] { sampler->prepare(session.layout()); });
    for (int slot = 0; slot < 2; ++slot) {
      call([&] { session.start(slot, {uint64_t(slot), 42, 1, 0, slot, 0}); });
      for (Sampler* sampler : chain.chain.samplers) call([&] { sampler->configure(slot, nullptr); });
    }
    const auto choose = [&](const LogitBatch& batch) {
      for (Sampler* sampler : chain.chain.samplers) call([&] { sampler->sample(batch); });
      call([&] { session.score(batch); });
    };
    const Row prompt[] = {{0, 3, true}, {1, 5, true}}, both[] = {{0, kSampled, true}, {1, kSampled, true}};
    choose(call([&] { return session.step(prompt); }));
    for (int i = 0; i < 3; ++i) choose(call([&] { return session.step(both); }));
    const auto body = [&] {  // without meddling, since a session records it
      const LogitBatch batch = session.step(both);
      for (Sampler* sampler : chain.chain.samplers) sampler->sample(batch);
      session.score(batch);
    };
    ++key;
    for (const int n : {1, 3}) call([&] { recorded(session)(n, key, std::span<const Row>(both), body); });
    std::vector<int32_t> tokens(2 * session.layout().token_stride);
    const Transfer piece = {session.layout().tokens, tokens.data(), tokens.size() * sizeof(int32_t)};
    call([&] { session.read({&piece, 1}); });
    const Transfer back = {tokens.data(), session.layout().tokens, sizeof(int32_t)};
    call([&] { session.write({&back, 1}); });
    return tokens;
  };
  const auto alone = open_session<f16>(checkpoint, limits_on(0));
  const std::vector<int32_t> expected = run(*alone, [] {});
  const auto other = open_session<f16>(checkpoint, limits_on(0)), second = open_session<f16>(checkpoint, limits_on(1));
  EXPECT_EQ(run(*second, Interleaver(*other)), expected);
  EXPECT_EQ(run(*alone, Interleaver(*second)), expected);
  // A new thread, which has not selected any device.
  std::vector<int32_t> found;
  std::thread([&] { found = run(*second, [] {}); }).join();
  EXPECT_EQ(found, expected);
}

GPT2RUN_KERNEL(1) first_token_kernel(LogitBatch batch) {
  const RowKey& key = batch.keys[cuda::block_x()];
  batch.tokens[key.slot * batch.token_stride + key.position] = 0;
}

// A sampler with a fault: it launches on whatever device the thread has selected.
struct UnselectedLaunch final : Sampler {
  void sample(const LogitBatch& batch) override {
    cuda::launch({"first_token", {batch.rows, 1, 1}, 1, 0, batch.stream}, first_token_kernel, batch);
  }
};

// A sampler with another fault: it takes its memory on whatever device the thread has selected.
struct UnselectedMemory final : Sampler {
  void prepare(const LogitBatch&) override { memory = cuda::Array<int32_t>(1); }
  void sample(const LogitBatch& batch) override {
    cuda::use_device(batch.device);
    cuda::copy(batch.tokens, memory.data(), sizeof(int32_t), batch.stream);
  }
  cuda::Array<int32_t> memory;
};

TEST(Devices, MemoryOfAnotherDeviceIsRefused) {
  SKIP_UNDER_ASAN("the sanitizer has the memory of all devices on the heap");
  const TinyCheckpoint checkpoint;
  const auto first = open_session<float>(checkpoint, limits_on(0)),
             second = open_session<float>(checkpoint, limits_on(1));
  UnselectedMemory sampler;
  sampler.prepare(first->layout());
  EXPECT_EQ(error_of([&] { sampler.sample(second->layout()); }), "no error");
  EXPECT_EQ(error_of([&] { sampler.sample(first->layout()); }),
            "copying on the device: expected memory of device 0, found memory of device 1");
}

TEST(Devices, ALaunchForAnotherDeviceIsRefused) {
  const TinyCheckpoint checkpoint;
  const auto first = open_session<float>(checkpoint, limits_on(0)),
             second = open_session<float>(checkpoint, limits_on(1));
  const Row row[] = {{0, 3, true}};
  const LogitBatch of_first = first->step(row), of_second = second->step(row);
  UnselectedLaunch sampler;
  EXPECT_EQ(error_of([&] { sampler.sample(of_second); }), "no error");
  EXPECT_EQ(error_of([&] { sampler.sample(of_first); }),
            "kernel first_token: on a stream of device 0, but this thread has selected device 1");
  first->score(of_first);
  EXPECT_EQ(error_of([&] { sampler.sample(of_first); }), "no error");
  // Events and cuBLASLt's products belong to a device too.
  void* event = cuda::make_event();
  EXPECT_EQ(error_of([&] { cuda::record_event(event, of_second.stream); }),
            "an event of device 0 cannot be recorded in a stream of device 1");
  cuda::release_event(event);
  const auto library = cuda::open_gemm();
  EXPECT_EQ(error_of([&] { library->multiply({}, of_second.stream); }),
            "a product: on a stream of device 1, but this thread has selected device 0");
}

}  // namespace
}  // namespace gpt2run::test
