// Sampler typical on the device: keeps the tokens whose surprise is nearest to the entropy of the row. Slices are
// sorted in the order of typicality, in place of a partial sort of the row.
#include "../common/options.hpp"
#include "heads.cuh"
#include "prefix.cuh"

namespace gpt2run::cuda {
namespace {

// The memory of the kernels for the rows of a launch.
struct TypicalRows {
  SortedRow sorted;                     // by typicality; the weights are masses
  uint64_t *heads, *totals, *weighted;  // (rows, slices): greatest rank, mass, and sum of weighted_distance()
};

// A row as one of its blocks sees it. Grid: (slices, rows).
struct TypicalRow {
  const float* logits;
  uint32_t max;  // the greatest key
  TypicalSpec spec;

  GPT2RUN_DEVICE bool drops() const { return is_usable(max) && spec.typical_p != kKeepAll; }
  GPT2RUN_DEVICE uint64_t mass(int id) const { return mass_of(logits[id], logit_of(max), spec.temperature); }
  GPT2RUN_DEVICE double distance(int id) const { return distance_of(logits[id], logit_of(max), spec.temperature); }
  // The rank of a token in the order of typicality.
  GPT2RUN_DEVICE uint64_t rank(int id, double mean) const { return rank_of(typical_key(distance(id), mean), id); }
};

GPT2RUN_DEVICE TypicalRow typical_row(const LogitBatch& batch, const TypicalSpec* specs, const uint64_t* heads,
                                      RowScratch& scratch) {
  return {batch.logits + block_y() * batch.stride,
          key_of(greatest_head(heads + block_y() * blocks_x(), blocks_x(), scratch)), spec_of(specs, batch, block_y())};
}

// The mass of a row and its mean distance.
struct TypicalMeans {
  uint64_t total;
  double mean;
};
GPT2RUN_DEVICE TypicalMeans typical_means(const TypicalRows& rows, RowScratch& scratch) {
  const int slices = blocks_x(), at = block_y() * slices + thread_id();
  uint64_t totals = 0, weighted = 0;
  if (thread_id() < slices) totals = rows.totals[at], weighted = rows.weighted[at];
  const uint64_t total = block_sum(totals, scratch);
  return {total, mean_distance(block_sum(weighted, scratch), total)};
}

// The sums of each slice.
GPT2RUN_KERNEL(kSlice)
typical_sum_kernel(LogitBatch batch, const TypicalSpec* specs, TypicalRows rows) {
  RowScratch& scratch = row_scratch();
  const TypicalRow row = typical_row(batch, specs, rows.heads, scratch);
  if (!row.drops() || row.spec.temperature == 0) return;
  const int id = block_x() * kSlice + thread_id(), at = block_y() * blocks_x() + block_x();
  const uint64_t mass = id < batch.vocab ? row.mass(id) : 0;
  const uint64_t total = block_sum(mass, scratch);
  const uint64_t weighted = block_sum(mass > 0 ? weighted_distance(mass, row.distance(id)) : 0, scratch);
  if (thread_id() == 0) rows.totals[at] = total, rows.weighted[at] = weighted;
}

// Sorts each slice by typicality, with the masses up to every token.
GPT2RUN_KERNEL(kSortThreads)
typical_sort_kernel(LogitBatch batch, const TypicalSpec* specs, TypicalRows rows) {
  auto& scratch = *static_cast<SortScratch*>(shared_memory());
  const TypicalRow row = typical_row(batch, specs, rows.heads, scratch.row);
  if (!row.drops() || row.spec.temperature == 0) return;
  const double mean = typical_means(rows, scratch.row).mean;
  uint64_t own[kSortOwn], masses[kSortOwn], sum = 0;
  sort_slice(batch.vocab, own, scratch, [&](int id) { return row.rank(id, mean); });
  GPT2RUN_UNROLL
  for (int i = 0; i < kSortOwn; ++i) sum += masses[i] = own[i] > 0 ? row.mass(id_at(own[i])) : 0;
  uint64_t up_to = scan_block(sum, scratch.row) - sum;
  const SortedRow sorted = rows.sorted.of(block_y());
  GPT2RUN_UNROLL
  for (int i = 0; i < kSortOwn; ++i) {
    const int at = block_x() * kSlice + kSortOwn * thread_id() + i;
    up_to += masses[i];
    sorted.ranks[at] = own[i], sorted.prefix[at] = up_to;
  }
}

// Drops all but the most typical tokens. Each block finds the last one that stays by itself.
GPT2RUN_KERNEL(kSlice)
typical_kernel(LogitBatch batch, const TypicalSpec* specs, TypicalRows rows) {
  PrefixScratch& scratch = prefix_scratch();
  const TypicalRow row = typical_row(batch, specs, rows.heads, scratch.row);
  if (!row.drops()) return;
  const int t = thread_id(), id = block_x() * kSlice + t;
  float* logits = batch.logits + block_y() * batch.stride;
  bool stays = true;
  if (row.spec.temperature > 0) {
    const TypicalMeans means = typical_means(rows, scratch.row);
    if (t < blocks_x()) scratch.high[t] = slice_size(batch.vocab, t);
    constexpr uint32_t most = 0x80000000;  // the key of 0: no deviation from the mean
    const Prefix prefix = first_prefix(rows.sorted.of(block_y()), most, typical_target(row.spec, means.total), scratch);
    if (id < batch.vocab) stays = row.rank(id, means.mean) >= prefix.last;
  } else if (id < batch.vocab) {
    stays = order_key(logits[id]) == row.max;  // only the tokens with the greatest logit have a probability
  }
  if (!stays) logits[id] = logit_of(kMinusInfinityKey);
}

class Typical final : public Sampler {
 public:
  Typical(const Options& options, const Host&) : spec_(typical_spec(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, spec_);
    const size_t slices = slices_of(layout.vocab);
    for (RowMemory<uint64_t>* memory : {&heads_, &totals_, &weighted_}) memory->prepare(layout, slices);
    for (RowMemory<uint64_t>* memory : {&ranks_, &prefix_}) memory->prepare(layout, slices * kSlice);
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? typical_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    const TypicalRows rows = {
        {ranks_.data(), prefix_.data(), slices_of(batch.vocab)}, heads_.data(), totals_.data(), weighted_.data()};
    const int threads = slice_threads(batch.vocab);
    const TypicalSpec* specs = specs_.of(batch);
    for_parts(batch, ranks_.rows(), [&](const LogitBatch& part) {
      launch_heads(part, rows.heads);
      launch_slices("typical_sum", threads, sizeof(RowScratch), typical_sum_kernel, part, specs, rows);
      launch_slices("typical_sort", sort_threads(part.vocab), sizeof(SortScratch), typical_sort_kernel, part, specs,
                    rows);
      launch_slices("typical", threads, sizeof(PrefixScratch), typical_kernel, part, specs, rows);
    });
  }

 private:
  TypicalSpec spec_;  // as created
  SlotSpecs<TypicalSpec> specs_;
  RowMemory<uint64_t> heads_, totals_, weighted_, ranks_, prefix_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Typical>(
    "typical", false, "keeps the tokens that are as surprising as expected (Meister et al.)", gpt2run::kTypicalOptions,
    std::size(gpt2run::kTypicalOptions));
