// The attention kernels give the same bits: the one for single rows, with chunks that are joined within a cluster or in
// device memory, and the one for tiles of a prompt, for a known head size and for any. They also agree with a softmax
// in double.
#include "../../precisions/cuda/attention.cuh"

#include <gtest/gtest.h>

#include "executor/executor.hpp"
#include "gpt2run/sdk/random.hpp"

namespace gpt2run::test {
namespace {

constexpr int kHeads = 2, kSlots = 2, kContext = 150, kRows = 37, kSlot = 1;
constexpr int kCluster = 4;     // the chunks of the context, and one more for a power of two
constexpr float kScale = 0.5f;  // as in layer 1 with scale_by_layer

Limits limits() {
  return {.slots = kSlots,
          .context = kContext,
          .rows = kRows,
          .logit_rows = 0,
          .threads = 0,
          .device = 0,
          .keep_raw = false};
}

// Rows of one slot at successive positions, with keys and values of both signs. position: of the first row.
template <class Value>
class Attended {
 public:
  Attended(int D, int position)
      : D_(D),
        state_({.L = 1, .H = kHeads, .C = kHeads * D, .F = 4, .V = 2, .T = kContext, .end_of_text = -1, .epsilon = 1},
               limits(), false) {
    cuda::wait(state_.stream.get());
    for (int r = 0; r < kRows; ++r) state_.rows.data()[r] = {kSlot, position + r, 0};
    uint64_t seed = 0;
    for (auto* array : {&state_.q, &state_.keys, &state_.values}) {
      ++seed;
      for (size_t i = 0; i < array->size(); ++i) {
        if (static_cast<int>(i % state_.head) >= D) continue;  // the padding stays 0
        const float uniform = static_cast<float>(random_bits(seed, 0, static_cast<int32_t>(i)) >> 40) * 0x1p-23f - 1;
        array->data()[i] = from_f32<Value>(2 * uniform);
      }
    }
  }

  cuda::AttentionView<Value> view() const {
    return {state_.q.data(),
            state_.keys_of(0),
            state_.values_of(0),
            state_.rows.data(),
            state_.a.data(),
            state_.partial.data(),
            state_.arrived.data(),
            0,
            D_,
            state_.width,
            kScale};
  }

  // The output (kRows, C) of a launch.
  template <class Launch>
  std::vector<float> run(Launch launch) {
    for (size_t i = 0; i < state_.a.size(); ++i) state_.a.data()[i] = from_f32<Value>(NAN);
    launch(view());
    std::vector<float> out;
    for (int r = 0; r < kRows; ++r)
      for (int c = 0; c < kHeads * D_; ++c) out.push_back(to_f32(state_.a.data()[r * state_.width + c]));
    return out;
  }

  std::vector<float> by(bool batched, int cluster = 0, int first = 0, int count = kRows) {
    return run([&](const cuda::AttentionView<Value>& view) {
      cuda::launch_attention(view, {first, count, batched}, state_.chunks(), cluster, nullptr);
    });
  }

  // The output of the kernels with kHead 0, which work for any head size.
  std::vector<float> by_any(bool batched, int cluster = 0) {
    return run([&](const cuda::AttentionView<Value>& view) {
      const cuda::RowRange rows = {0, kRows, batched};
      if (batched)
        cuda::launch({"tile",
                      {cuda::divided_up(kRows, cuda::kTile), kHeads, 1},
                      cuda::kAttentionThreads,
                      cuda::TileScratch<Value>::bytes(state_.head, D_),
                      nullptr},
                     cuda::tile_kernel<0, Value>, view, kRows);
      else if (cluster > 0)
        cuda::launch_rows<0, cuda::Join::cluster>(view, rows, state_.chunks(), cluster, nullptr);
      else
        cuda::launch_rows<0, cuda::Join::memory>(view, rows, state_.chunks(), 0, nullptr);
    });
  }

  // Allows an error of one unit of the type, plus 2^-20 relative to the sums: a score is at most 4 D / sqrt(D), every
  // step of its sum is off by 2^-24 of it, and values are at most 2.
  void expect_near_softmax(const std::vector<float>& found) const {
    const double unit = std::is_same_v<Value, float> ? 0x1p-23 : std::is_same_v<Value, f16> ? 0x1p-10 : 0x1p-7;
    for (int r = 0; r < kRows; ++r) {
      for (int head = 0; head < kHeads; ++head) {
        const std::vector<double> expected = softmax(r, head);
        for (int d = 0; d < D_; ++d)
          ASSERT_NEAR(found[(r * kHeads + head) * D_ + d], expected[d], 2 * (unit + 0x1p-20 * (1 + 8 * std::sqrt(D_))))
              << "row " << r << ", head " << head << ", " << d << " of " << D_;
      }
    }
  }

 private:
  std::vector<double> softmax(int r, int head) const {
    const int length = state_.rows.data()[r].position + 1;
    const Value *q = state_.q.data() + (r * kHeads + head) * state_.head, *keys = state_.keys_of(0).at(kSlot, head, 0),
                *values = state_.values_of(0).at(kSlot, head, 0);
    std::vector<double> weights(length), out(D_);
    double total = 0;
    for (int t = 0; t < length; ++t) {
      double dot = 0;
      for (int d = 0; d < D_; ++d) dot += double(to_f32(q[d])) * to_f32(keys[t * state_.head + d]);
      total += weights[t] = std::exp(kScale * dot / std::sqrt(D_));
    }
    for (int t = 0; t < length; ++t)
      for (int d = 0; d < D_; ++d) out[d] += weights[t] / total * to_f32(values[t * state_.head + d]);
    return out;
  }

  executor::OpenMemory open_;
  int D_;
  cuda::DeviceState<Value> state_;
};

template <class Value>
class Attention : public testing::Test {
 protected:
  void SetUp() override { executor::configure({.cluster = kCluster}); }
  void TearDown() override { executor::configure({}); }
};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(Attention, Types);

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Tested at the beginning of a prompt and across chunk boundaries. A head of 160 is too wide for a tile's shared
// memory.
TYPED_TEST(Attention, AllKernelsGiveTheSameBits) {
  for (const int D : {64, 26, 5, 160}) {
    for (const int position : {0, 101}) {
      Attended<TypeParam> attended(D, position);
      const std::vector<float> expected = attended.by(false);
      attended.expect_near_softmax(expected);
      EXPECT_TRUE(same_bits(attended.by(true), expected)) << D << " at " << position;
      EXPECT_TRUE(same_bits(attended.by(false, kCluster), expected)) << D << " at " << position;
      if (D != cuda::kFastHead) continue;
      EXPECT_TRUE(same_bits(attended.by_any(false), expected)) << position;
      EXPECT_TRUE(same_bits(attended.by_any(true), expected)) << position;
      EXPECT_TRUE(same_bits(attended.by_any(false, kCluster), expected)) << position;
    }
  }
}

// In every order of threads and blocks, of which a block may end as soon as its cluster needs it no more.
TYPED_TEST(Attention, AClusterGivesTheSameBitsInEveryOrder) {
  Attended<TypeParam> attended(26, 101);
  const std::vector<float> expected = attended.by(false);
  for (const executor::Schedule schedule : {executor::Schedule::descending, executor::Schedule::random}) {
    executor::configure({.schedule = schedule, .cluster = kCluster});
    EXPECT_TRUE(same_bits(attended.by(false, kCluster), expected));
  }
}

// The smallest power of two that holds all chunks, or 0 where the device has no such cluster, or where the partial
// results do not fit a block's shared memory.
TYPED_TEST(Attention, ClustersHaveTheBlocksThatTheChunksNeed) {
  const cuda::AttentionView<TypeParam> view = Attended<TypeParam>(26, 0).view();
  const auto clusters = [&](const cuda::AttentionView<TypeParam>& of, int most) {
    executor::configure({.cluster = most});
    std::vector<int> found;
    for (const int chunks : {1, 2, 3, 4, 5, 16, 17}) found.push_back(cuda::attention_cluster(of, chunks));
    return found;
  };
  EXPECT_EQ(clusters(view, 16), (std::vector<int>{1, 2, 4, 4, 8, 16, 0}));
  EXPECT_EQ(clusters(view, 8), (std::vector<int>{1, 2, 4, 4, 8, 0, 0}));
  EXPECT_EQ(clusters(view, 0), (std::vector<int>{0, 0, 0, 0, 0, 0, 0}));
  cuda::AttentionView<TypeParam> wide = view;
  wide.D = 1000;
  EXPECT_EQ(clusters(wide, 16), (std::vector<int>{1, 2, 4, 4, 8, 0, 0}));
}

// Tests the last chunk of the longest context, with a head wider than any that fits a block.
TEST(PartialResults, LieBehindEachOtherInTheLongestContext) {
  constexpr int kLast = cuda::kMostContext / cuda::kChunk - 1, kHead = cuda::kSharedBytes / sizeof(float);
  EXPECT_EQ(cuda::partial_offset(kLast, kHead), int64_t{kLast} * (kHead + 2));
}

// A range in the middle of a step must write only its own rows.
TYPED_TEST(Attention, ARangeWritesItsRows) {
  Attended<TypeParam> attended(64, 30);
  const std::vector<float> whole = attended.by(false);
  constexpr int kFirst = 3, kCount = 18, kWidth = kHeads * 64;
  for (const bool batched : {false, true}) {
    const std::vector<float> part = attended.by(batched, 0, kFirst, kCount);
    for (int r = 0; r < kRows; ++r) {
      const bool inside = r >= kFirst && r < kFirst + kCount;
      for (int c = r * kWidth; c < (r + 1) * kWidth; ++c)
        ASSERT_TRUE(inside ? part[c] == whole[c] : std::isnan(part[c])) << "row " << r;
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
