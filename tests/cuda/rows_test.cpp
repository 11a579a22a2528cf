// launch_rows, with which samplers on the device start their kernels: it covers every row once, with its logits, raw
// logits and key.
#include <gtest/gtest.h>

#include <vector>

#include "../../samplers/cuda/row.cuh"

namespace gpt2run::test {
namespace {

struct Seen {
  float logit, raw;
  int32_t position;
  bool operator==(const Seen&) const = default;
};

// seen: indexed by the slot in the row's key.
GPT2RUN_KERNEL(cuda::kRowThreads)
seen_kernel(LogitBatch batch, Seen* seen) {
  const int row = cuda::block_x();
  if (cuda::thread_id() > 0) return;
  const RowKey& key = batch.keys[row];
  seen[key.slot] = {batch.logits[row * batch.stride], batch.raw[row * batch.stride], key.position};
}

// There are more rows than one launch takes, and raw logits in memory of their own, as with Limits::keep_raw.
TEST(LaunchRows, ShowsEveryRowItsOwn) {
  constexpr int kRows = 150, kStride = 5;
  std::vector<float> logits(kRows * kStride), raw(logits.size());
  std::vector<RowKey> keys(kRows);
  std::vector<Seen> expected;
  for (int row = 0; row < kRows; ++row) {
    logits[row * kStride] = static_cast<float>(row), raw[row * kStride] = static_cast<float>(1000 + row);
    keys[row] = {0, 0, row, 7 * row, 0, 0};
    expected.push_back({static_cast<float>(row), static_cast<float>(1000 + row), 7 * row});
  }
  LogitBatch batch{};
  batch.logits = logits.data(), batch.raw = raw.data(), batch.keys = keys.data();
  batch.stride = kStride, batch.rows = kRows, batch.vocab = kStride, batch.slots = kRows;
  for (const int at_once : {1, 64, kRows, 2 * kRows}) {
    std::vector<Seen> seen(kRows);
    cuda::launch_rows("seen", at_once, 0, seen_kernel, batch, seen.data());
    EXPECT_EQ(seen, expected) << at_once;
  }
}

}  // namespace
}  // namespace gpt2run::test
