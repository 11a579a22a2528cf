// What the CUDA samplers take for a row does not depend on its logits: launches, steps between barriers and contended
// updates of shared memory are bounded, on rows that crowd and tie where a search would count. And the parts of the
// samplers: sorted slices, and the search for the end of a prefix.
#include <gtest/gtest.h>

#include <numeric>

#include "executor/executor.hpp"
#include "samplers/random_rows.hpp"
#include "samplers/sampler_batch.hpp"
#include "support/sanitizers.hpp"

#define gpt2run_plugin min_p_plugin
#include "../../samplers/cuda/min_p.cu"
#undef gpt2run_plugin
#define gpt2run_plugin mirostat_plugin
#include "../../samplers/cuda/mirostat.cu"
#undef gpt2run_plugin
#define gpt2run_plugin nucleus_plugin
#include "../../samplers/cuda/nucleus.cu"
#undef gpt2run_plugin
#define gpt2run_plugin top_k_plugin
#include "../../samplers/cuda/top_k.cu"
#undef gpt2run_plugin
#define gpt2run_plugin typical_plugin
#include "../../samplers/cuda/typical.cu"
#undef gpt2run_plugin

namespace gpt2run::test {
namespace {

using executor::Counts;

Counts operator-(const Counts& a, const Counts& b) {
  Counts difference = {};
  difference.launches = a.launches - b.launches, difference.steps = a.steps - b.steps;
  difference.contended = a.contended - b.contended;
  return difference;
}

// What a piece of work added to the executor's counts.
template <class Work>
Counts counts_of(Work work) {
  const Counts before = executor::counts();
  work();
  return executor::counts() - before;
}

// Three steps: all threads update one word, then a quarter of them each of four words, and then a word of device
// memory.
GPT2RUN_KERNEL(64)
contended_kernel(int* outside) {
  int* words = cuda::Shared(cuda::shared_memory()).take<int>(4);
  if (cuda::thread_id() < 4) words[cuda::thread_id()] = 0;
  cuda::sync_block();
  if (cuda::block_x() == 0) cuda::atomic_add(&words[1], 1);
  cuda::sync_block();
  cuda::atomic_add(&words[cuda::thread_id() % 4], 1);
  cuda::sync_block();
  cuda::atomic_add(outside, words[0]);
}

TEST(Executor, CountsStepsAndContendedUpdates) {
  int outside = 0;
  const auto launch = [&] { cuda::launch({"contended", {2, 1, 1}, 64, 16, nullptr}, contended_kernel, &outside); };
  const Counts one = counts_of(launch), two = counts_of([&] { launch(), launch(); });
  EXPECT_EQ(one.steps, 4);
  EXPECT_EQ(one.contended, 64 + 16) << "of the block that has more";
  EXPECT_EQ(two.steps, 8);
  EXPECT_EQ(two.contended, 2 * (64 + 16));
  EXPECT_EQ(outside, 3 * 2 * 64 * 16);
}

// A row of slices that were sorted on the host, with weights.
struct HostSorted {
  std::vector<uint64_t> ranks, prefix, weights;  // weights: by rank, descending, of the whole row
  std::vector<uint64_t> all;                     // all ranks, descending
  int slices;

  template <class Weigh>
  HostSorted(const std::vector<float>& row, Weigh weigh) : slices(cuda::slices_of(static_cast<int>(row.size()))) {
    ranks.resize(size_t(slices) * cuda::kSlice), prefix = ranks;
    for (size_t id = 0; id < row.size(); ++id)
      all.push_back(ranks[id] = cuda::rank_of(order_key(row[id]), static_cast<int>(id)));
    std::sort(all.begin(), all.end(), std::greater());
    for (const uint64_t rank : all) weights.push_back(weigh(rank));
    for (int slice = 0; slice < slices; ++slice) {
      const auto begin = ranks.begin() + slice * cuda::kSlice;
      std::sort(begin, begin + cuda::kSlice, std::greater());
      uint64_t sum = 0;
      for (int i = 0; i < cuda::kSlice; ++i) {
        const uint64_t rank = begin[i];
        prefix[slice * cuda::kSlice + i] = sum += rank > 0 ? weigh(rank) : 0;
      }
    }
  }
  cuda::SortedRow view() { return {ranks.data(), prefix.data(), slices}; }
};

const int kVocabs[] = {1, 2, 31, 33, 65, 500, 1023, 1024, 1025, 1100, 2048, 2049, 3100};

TEST(Slices, AreSorted) {
  std::mt19937 bits(3);
  for (const int vocab : kVocabs) {
    Batch batch(vocab);
    for (int row = 0; row < 2; ++row) batch.add(random_row(bits, vocab), {0, row, 0});
    const int slices = cuda::slices_of(vocab);
    std::vector<uint64_t> ranks(size_t(2) * slices * cuda::kSlice, 1), heads(size_t(2) * slices);
    cuda::launch_sort(batch.view(), {ranks.data(), nullptr, slices}, heads.data());
    for (int row = 0; row < 2; ++row) {
      const float* logits = &batch.logits[row * batch.view().stride];
      const HostSorted expected({logits, logits + vocab}, [](uint64_t) { return 1; });
      for (int slice = 0; slice < slices; ++slice) {
        const size_t at = (size_t(row) * slices + slice) * cuda::kSlice;
        for (int i = 0; i < cuda::slice_size(vocab, slice); ++i)
          ASSERT_EQ(ranks[at + i], expected.ranks[slice * cuda::kSlice + i]) << vocab << " " << slice << " " << i;
        EXPECT_EQ(heads[row * slices + slice], ranks[at]);
      }
    }
  }
}

struct Found {
  cuda::Prefix prefix;
  int counts[cuda::kMostSlices];
};

GPT2RUN_KERNEL(cuda::kSlice)
prefix_kernel(cuda::SortedRow row, int vocab, uint32_t most, uint64_t target, Found* found) {
  cuda::PrefixScratch& scratch = cuda::prefix_scratch();
  const int t = cuda::thread_id();
  if (t < row.slices) scratch.high[t] = cuda::slice_size(vocab, t);
  const cuda::Prefix prefix = cuda::first_prefix(row, most, target, scratch);
  if (t < row.slices) found->counts[t] = scratch.high[t];
  if (t == 0) found->prefix = prefix;
}

// The prefix that a loop over the whole order finds, for a target of 1, of a token's end, of one more and one less, and
// of everything.
TEST(Prefixes, EndWhereTheWeightReachesTheTarget) {
  std::mt19937 bits(5);
  for (const int vocab : kVocabs) {
    for (int i = 0; i < 4; ++i) {
      const bool sparse = i % 2;
      HostSorted row(random_row(bits, vocab),
                     [&](uint64_t rank) { return sparse && rank % 7 ? 0 : (rank * 0x9E3779B97F4A7C15 >> 20) + 1; });
      std::vector<uint64_t> sums(row.weights.size());
      std::partial_sum(row.weights.begin(), row.weights.end(), sums.begin());
      if (sums.back() == 0) continue;
      const uint64_t some = sums[bits() % sums.size()];
      for (const uint64_t target : {uint64_t{1}, some, some + 1, some - 1, sums.back()}) {
        if (target < 1 || target > sums.back()) continue;
        Found found = {};
        cuda::launch({"prefix", {1, 1, 1}, cuda::slice_threads(vocab), sizeof(cuda::PrefixScratch), nullptr},
                     prefix_kernel, row.view(), vocab, cuda::key_of(row.all[0]), target, &found);
        const size_t end = std::lower_bound(sums.begin(), sums.end(), target) - sums.begin();
        ASSERT_EQ(found.prefix.last, row.all[end]) << vocab << " tokens, target " << target;
        ASSERT_EQ(found.prefix.sum, sums[end]) << vocab << " tokens, target " << target;
        for (int slice = 0; slice < row.slices; ++slice) {
          const auto begin = row.ranks.begin() + slice * cuda::kSlice;
          const auto reaches = [&](uint64_t rank) { return rank >= row.all[end]; };
          ASSERT_EQ(found.counts[slice], std::count_if(begin, begin + cuda::kSlice, reaches)) << vocab;
        }
      }
    }
  }
}

// Rows on which counting by digits would meet in few places, or on which a search would not narrow.
std::vector<std::vector<float>> hard_rows(size_t vocab) {
  std::mt19937 bits(7);
  std::normal_distribution<float> normal(-35, 3);
  std::uniform_real_distribution<float> half_octave(1, 1.41f);
  const auto made = [&](auto logit) {
    std::vector<float> row(vocab);
    for (size_t id = 0; id < vocab; ++id) row[id] = logit(id);
    return row;
  };
  std::vector<std::vector<float>> rows;
  rows.push_back(made([&](size_t) { return normal(bits); }));
  rows.push_back(made([](size_t) { return -1.5f; }));
  rows.push_back(made([](size_t id) { return id % 2 ? 3.0f : 2.0f; }));
  rows.push_back(made([&](size_t) { return half_octave(bits); }));
  rows.push_back(made([&](size_t) { return std::nextafter(1.0f, bits() % 2 ? 2.0f : 0.0f); }));
  rows.push_back(made([&](size_t id) { return id == vocab / 2 ? 10.0f : half_octave(bits) * 1e-3f; }));
  rows.push_back(made([](size_t id) { return id % 5000 == 77 ? 2.0f : id % 3 ? 1.0f : -INFINITY; }));
  // Each half of the rest is a thousand times nearer to one value than the half before.
  rows.push_back(made([](size_t id) { return 1 + std::pow(1e-3f, static_cast<float>(std::countr_zero(id + 1))); }));
  rows.push_back(rows[0]), std::sort(rows.back().begin(), rows.back().end());
  rows.push_back(rows[0]), rows.back()[vocab - 1] = std::numeric_limits<float>::quiet_NaN();
  rows.push_back(std::vector<float>(vocab, -INFINITY));
  return rows;
}

// The most barriers of one search: two in front, two for every round, six at the end. A round of m keys leaves one
// part in m + 1 of at most 2^32 keys.
int64_t search_barriers(int vocab) {
  const int keys = cuda::splitters_of(cuda::slice_threads(vocab), cuda::slices_of(vocab));
  int64_t rounds = 0;
  for (uint64_t left = uint64_t{1} << 32; left > 1; left = (left + keys) / (keys + 1)) ++rounds;
  return 2 + 2 * rounds + 6;
}

// The barriers of a sort: two for each exchange between warps. Runs of 2, 4, 8, ... warps need 1, 2, 3, ... of these.
int64_t sort_barriers(int vocab) {
  const int64_t stages = std::countr_zero(unsigned(cuda::sort_threads(vocab) / cuda::kWarp));
  return stages * (stages + 1);
}

struct Bound {
  const Plugin* plugin;
  OptionValues options;
  int64_t launches;  // and so the passes over the row at most, as no kernel reads a token twice
  int64_t barriers;
};

// Reductions and scans of a block have two barriers each.
std::vector<Bound> bounds_of(int vocab) {
  const int64_t sort = sort_barriers(vocab), search = search_barriers(vocab), reduction = 2;
  const int64_t weigh = 3 * reduction, draw = 4 * reduction + 2;
  return {{&nucleus_plugin, {}, 3, sort + weigh + search + draw + search},
          {&nucleus_plugin, {{"top_k", "0"}, {"top_p", "0.95"}, {"min_p", "0.001"}}, 3, sort + weigh + draw + search},
          {&nucleus_plugin, {{"top_k", "0"}, {"top_p", "1"}, {"temp", "2"}}, 3, sort + weigh + draw},
          {&nucleus_plugin, {{"top_k", "20000"}, {"top_p", "0.5"}}, 3, sort + weigh + search + draw + search},
          {&top_k_plugin, {{"top_k", "10"}}, 2, sort + reduction + search},
          {&top_k_plugin, {{"top_k", "20000"}}, 2, sort + reduction + search},
          {&min_p_plugin, {{"min_p", "0.05"}}, 2, 2 * reduction},
          {&typical_plugin,
           {{"typical_p", "0.9"}},
           4,
           reduction + 3 * reduction + 3 * reduction + sort + reduction + 3 * reduction + search},
          {&mirostat_plugin, {{"tau", "3"}}, 4, reduction + 2 * reduction + 3 * reduction + 5 * reduction + 1}};
}

// Tokens and logits after a sampler of the host's selection, for those that have one without a plugin.
void sample_on_host(const Bound& bound, Batch& batch) {
  const PluginOptions options(*bound.plugin, bound.options);
  SelectScratch scratch(batch.vocab);
  for (int row = 0; row < std::ssize(batch.keys); ++row) {
    const RowKey& key = batch.keys[row];
    const std::span<float> logits = logits_of(batch.view(), row);
    if (bound.plugin == &nucleus_plugin)
      choice_of(batch.view(), row) =
          select_nucleus(logits, nucleus_spec(options), key.seed, key.sequence, key.position + key.shift, scratch);
    if (bound.plugin == &top_k_plugin) keep_top_k(logits, top_k_of(options), scratch);
    if (bound.plugin == &min_p_plugin)
      keep_min_p(logits, min_p_spec(options).min_p, min_p_spec(options).temperature, scratch);
  }
}

void expect_bounded(const Bound& bound, const std::vector<float>& row, const std::string& what) {
  Batch batch(static_cast<int>(row.size()));
  batch.add(row, {11, 1, 7});
  Batch host = batch;
  sample_on_host(bound, host);
  const std::unique_ptr<Sampler> sampler(
      static_cast<Sampler*>(bound.plugin->create(PluginOptions(*bound.plugin, bound.options), kTestHost)));
  sampler->prepare(batch.view());
  const Counts counts = counts_of([&] { sampler->sample(batch.view()); });
  EXPECT_EQ(counts.contended, 0) << what;
  EXPECT_EQ(counts.launches, bound.launches) << what;
  EXPECT_LE(counts.steps, bound.barriers + bound.launches) << what;
  if (bound.plugin == &typical_plugin || bound.plugin == &mirostat_plugin) return;
  EXPECT_EQ(batch.tokens, host.tokens) << what;
  EXPECT_EQ(std::memcmp(batch.logits.data(), host.logits.data(), host.logits.size() * sizeof(float)), 0) << what;
}

void expect_all_bounded(const std::vector<std::vector<float>>& rows, const std::vector<Bound>& bounds) {
  for (size_t i = 0; i < rows.size(); ++i)
    for (const Bound& bound : bounds)
      expect_bounded(bound, rows[i],
                     std::string(bound.plugin->name) + " of " + std::to_string(rows[i].size()) + " tokens, row " +
                         std::to_string(i));
}

TEST(Slices, NoRowTakesMoreThanTheBound) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  for (const int vocab : {1025, 700}) expect_all_bounded(hard_rows(vocab), bounds_of(vocab));
}

// The first rows only, and nucleus only: the executor takes a second for some of them.
TEST(Slices, NoRowOfGpt2TakesMoreThanTheBound) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  auto rows = hard_rows(50257);
  rows.resize(6);
  expect_all_bounded(rows, {bounds_of(50257)[1]});
  rows.resize(2);
  expect_all_bounded(rows, {bounds_of(50257)[0]});
}

// A block has four keys to try at once there.
TEST(Slices, TheLargestVocabulary) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  std::mt19937 bits(13);
  expect_all_bounded({random_row(bits, kMaxVocab)}, {bounds_of(kMaxVocab)[0]});
}

// A block has two keys to try at once there.
TEST(Slices, TheSmallestVocabularies) {
  std::mt19937 bits(13);
  for (const int vocab : {2, 1}) expect_all_bounded({random_row(bits, vocab)}, bounds_of(vocab));
}

// For GPT-2: eight rounds of 20 keys, and so 79 steps at most for a draw with nucleus's defaults.
TEST(Slices, TheBoundsOfGpt2) {
  EXPECT_EQ(cuda::splitters_of(cuda::slice_threads(50257), cuda::slices_of(50257)), 20);
  EXPECT_EQ(search_barriers(50257), 24);
  EXPECT_EQ(sort_barriers(50257), 12);
  EXPECT_EQ(bounds_of(50257)[0].barriers + bounds_of(50257)[0].launches, 79);
}

}  // namespace
}  // namespace gpt2run::test
