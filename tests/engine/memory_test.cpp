// The engine's memory depends on the requests that wait and run: after thousands of requests it holds as many blocks as
// after a few. This is a program by itself, because it counts every allocation.
#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/backends.hpp"

namespace {

std::atomic<int64_t> blocks = 0;  // allocated and not yet freed

void* counted_or_null(size_t bytes) {
  void* block = std::malloc(bytes ? bytes : 1);
  if (block) ++blocks;
  return block;
}

void* counted(size_t bytes) {
  void* block = counted_or_null(bytes);
  if (!block) throw std::bad_alloc();
  return block;
}

void uncounted(void* block) {
  if (block) --blocks;
  std::free(block);
}

}  // namespace

void* operator new(size_t bytes) { return counted(bytes); }
void* operator new[](size_t bytes) { return counted(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return counted_or_null(bytes); }
void operator delete(void* block) noexcept { uncounted(block); }
void operator delete[](void* block) noexcept { uncounted(block); }
void operator delete(void* block, size_t) noexcept { uncounted(block); }
void operator delete[](void* block, size_t) noexcept { uncounted(block); }

namespace gpt2run::test {
namespace {

// Submits a short request of any kind. Some are cancelled, and every ninth has its own chain.
void submit_one(Rig& rig, const EngineBackend& backend, int i) {
  TestRequest spec = request_for(some_prompt(1 + i % 6, i % 3), i % 4, i, i % 2 ? uint32_t{kLogprob} : 0);
  spec.request.group = i % 5, spec.request.priority = i % 3;
  spec.chain = static_cast<ChainName>(i % 4);
  if (spec.chain == kDraw && i % 8 == 0) spec.options = {{{"temp", "3"}}};
  if (i % 10 == 3) spec.request.stops = {"a", "ST"};
  Request request = rig.request_of(spec);
  if (i % 9 == 0 && spec.options.empty()) request.chain = named_chain(backend, kGreedy);
  const RequestId id = rig.engine().submit(std::move(request));
  rig.listener.expect(id, spec.request);
  if (i % 7 == 0) rig.engine().cancel(id);
}

int64_t blocks_after(Rig& rig, const EngineBackend& backend, int requests) {
  for (int i = 0; i < requests; ++i) {
    submit_one(rig, backend, i);
    if (i % 3 == 0) rig.step();
  }
  rig.run();
  rig.listener.forget();
  return blocks;
}

TEST(EngineMemory, IsFlatOverTenThousandRequests) {
  const EngineBackend backend = host_backend<ExactOps>("exact", true);
  RigOptions setup;
  setup.options.reuse = true;
  Rig rig(backend, setup);
  const int64_t before = blocks_after(rig, backend, 1000), after = blocks_after(rig, backend, 9000);
  EXPECT_EQ(rig.engine().counts().requests, 10000);
  EXPECT_NEAR(static_cast<double>(after), static_cast<double>(before), 50);
}

// Recorded steps, of which every chain needs its own, must be forgotten too.
TEST(EngineMemory, IsFlatOverChainsThatAreGone) {
  struct NothingKept final : Session {
    explicit NothingKept(std::unique_ptr<Session> inner) : inner(std::move(inner)) {}
    const Traits& traits() const override { return inner->traits(); }
    LogitBatch layout() const override { return inner->layout(); }
    void start(int slot, const Start& start) override { inner->start(slot, start); }
    LogitBatch step(std::span<const Row> rows) override { return inner->step(rows); }
    void score(const LogitBatch& batch) override { inner->score(batch); }
    void read(const void* from, void* host, size_t bytes) override { inner->read(from, host, bytes); }
    void write(const void* host, void* to, size_t bytes) override { inner->write(host, to, bytes); }
    std::unique_ptr<Session> inner;  // repeat() is not forwarded, so replays call the body
  };
  EngineBackend backend = fake_backend("fake", Space::test, 3);
  backend.open = [open = backend.open](const Checkpoint& checkpoint, const Limits& limits) {
    return std::make_unique<NothingKept>(open(checkpoint, limits));
  };
  Rig rig(backend);
  const auto blocks_after = [&](int requests) {
    for (int i = 0; i < requests; ++i) {
      Request request = request_for(some_prompt(2), 6).request;
      request.chain = named_chain(backend, kDraw);
      const RequestId id = rig.engine().submit(std::move(request));
      rig.listener.expect(id, request_for(some_prompt(2), 6).request);
      rig.run();
    }
    rig.listener.forget();
    return blocks.load();
  };
  const int64_t before = blocks_after(200), after = blocks_after(1000);
  EXPECT_GT(rig.engine().counts().replayed, 0);
  EXPECT_NEAR(static_cast<double>(after), static_cast<double>(before), 50);
}

}  // namespace
}  // namespace gpt2run::test
