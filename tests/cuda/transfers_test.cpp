// How often the host waits for a device: once for many pieces, and a fixed number of times per step, whatever the
// number of slots.
#include <gtest/gtest.h>

#include "executor/executor.hpp"
#include "loop.hpp"

namespace gpt2run::test {
namespace {

std::vector<char> some_bytes(size_t count) {
  std::vector<char> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  return bytes;
}

// Downloads pieces of these sizes, which are contiguous in device memory. Returns the number of waits.
int64_t waits_for(const std::vector<size_t>& sizes) {
  size_t total = 0;
  for (const size_t size : sizes) total += size;
  const std::vector<char> sent = some_bytes(total);
  std::vector<char> found(total, 'x');
  const cuda::Array<char> device(std::max<size_t>(total, 1));
  void* stream = cuda::make_stream();
  if (total > 0) cuda::upload(device.data(), sent.data(), total, stream);
  std::vector<Transfer> pieces;
  size_t at = 0;
  for (const size_t size : sizes) pieces.push_back({device.data() + at, found.data() + at, size}), at += size;
  const int64_t before = executor::counts().waits;
  {
    cuda::Downloads downloads;
    downloads.read(pieces, stream);
  }
  const int64_t waits = executor::counts().waits - before;
  EXPECT_EQ(found, sent);
  cuda::release_stream(stream);
  return waits;
}

TEST(Downloads, ManyPiecesComeWithOneWait) {
  constexpr size_t kMost = cuda::Downloads::kMostBytes;
  EXPECT_EQ(waits_for({}), 0);
  EXPECT_EQ(waits_for({0, 0}), 0);
  EXPECT_EQ(waits_for({7}), 1);
  EXPECT_EQ(waits_for({4, 0, 4, 5000, 1, 0}), 1);
  EXPECT_EQ(waits_for(std::vector<size_t>(300, 20)), 1);
  EXPECT_EQ(waits_for({kMost - 4, 4}), 1);
  EXPECT_EQ(waits_for({kMost - 3, 4}), 2) << "a piece may come in two parts";
  EXPECT_EQ(waits_for({5, 2 * kMost + 9, 0, 3}), 3);
}

// A copy to host memory that is not page-locked waits, as it does on a device.
TEST(Downloads, TheExecutorWaitsForPageableMemory) {
  const cuda::Array<int> device(2);
  int found[2];
  void* stream = cuda::make_stream();
  cuda::fill_zero(device.data(), device.bytes(), stream);
  const int64_t before = executor::counts().waits;
  for (int i = 0; i < 2; ++i) cuda::enqueue_download(device.data() + i, found + i, sizeof(int), stream);
  EXPECT_EQ(executor::counts().waits - before, 2);
  cuda::release_stream(stream);
}

struct Waits {
  int64_t waits, steps, launches;
};

Waits waits_of(Space space, const std::vector<Prompt>& prompts, const Generation& generation, uint32_t wants) {
  const TinyCheckpoint checkpoint;
  const OwnedChain owned(space, {{"repetition-penalty", {}}, {"nucleus", kHot}});
  CaptureSink capture(wants);
  Sink* sinks[] = {&capture};
  const Limits limits = plan_limits(checkpoint.config(), prompts, generation, sinks, owned.chain);
  const auto session = open_session<float>(checkpoint, limits);
  const executor::Counts before = executor::counts();
  const Summary summary = generate(*session, checkpoint.config(), owned.chain, sinks, nullptr, prompts, generation, "");
  const executor::Counts after = executor::counts();
  return {after.waits - before.waits, summary.steps, after.launches - before.launches};
}

std::vector<Prompt> prompts_of(int count, int length) {
  std::vector<Prompt> prompts;
  for (int i = 0; i < count; ++i) {
    prompts.push_back({});
    for (int t = 0; t < length; ++t) prompts.back().tokens.push_back((3 * i + t) % 20);
  }
  return prompts;
}

// In each step, logits and keys are read with one wait, the chosen tokens are written with one, and the
// log-probabilities are read with one.
TEST(Waits, HostSamplersBehindTheDeviceCostThreeAStepWhateverTheSlots) {
  constexpr int kNew = 9;
  for (const int slots : {1, 2, 7}) {
    const Waits found =
        waits_of(Space::host, prompts_of(slots, 1), {.max_new = kNew, .batch = slots, .ignore_eos = true}, kLogprob);
    EXPECT_EQ(found.steps, kNew) << slots;
    EXPECT_EQ(found.waits, 3 * kNew) << slots;
  }
}

TEST(Waits, DeviceSamplersCostOneAStepWhateverTheSlots) {
  constexpr int kNew = 9;
  for (const int slots : {1, 2, 7}) {
    const Waits found = waits_of(Space::test, prompts_of(slots, 1),
                                 {.max_new = kNew, .batch = slots, .replay = 1, .ignore_eos = true}, kLogprob);
    EXPECT_EQ(found.steps, kNew) << slots;
    EXPECT_EQ(found.waits, kNew) << slots;
  }
}

// In addition, each request writes its prompt once, because scoring needs it.
TEST(Waits, EchoingAPromptCostsOneReadAStep) {
  for (const int slots : {1, 3}) {
    for (const int chunk : {2, 4, 12}) {
      const Waits found =
          waits_of(Space::test, prompts_of(slots, 13),
                   {.max_new = 1, .batch = slots, .chunk = chunk, .ignore_eos = true}, kLogprob | kPrompt);
      EXPECT_EQ(found.waits, found.steps + slots) << slots << " slots, chunks of " << chunk;
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
