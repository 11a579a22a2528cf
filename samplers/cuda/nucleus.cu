// Sampler nucleus on the device: the steps of select_nucleus on sorted slices, in place of its partial sorts.
#include "../common/options.hpp"
#include "top_k.cuh"

namespace gpt2run::cuda {
namespace {

struct NucleusSpec {
  double temperature;
  int top_k;
  uint64_t least, top_p;  // from least_mass() and fixed_top_p()
};

NucleusSpec device_spec(const SelectSpec& spec) {
  return {spec.temperature, spec.top_k, least_mass(spec.min_p), fixed_top_p(spec.top_p)};
}

// The memory of the kernels for the rows of a launch.
struct NucleusRows {
  SortedRow sorted;                 // the weights are masses
  uint64_t *heads, *totals, *ends;  // (rows, slices): greatest rank, mass, and tokens up to the last one with a mass
};

GPT2RUN_DEVICE bool draws(uint64_t best, const NucleusSpec& spec) {
  return is_usable(key_of(best)) && spec.temperature != 0;
}

// Weighs the tokens of a sorted slice: the probability masses, 0 for those that top-k and min-p drop. Each block finds
// the end of top-k by itself, which takes less time than another kernel.
GPT2RUN_KERNEL(kSlice)
weigh_kernel(LogitBatch batch, const NucleusSpec* specs, NucleusRows rows) {
  PrefixScratch& scratch = prefix_scratch();
  const NucleusSpec& spec = spec_of(specs, batch, block_y());
  const int slices = blocks_x(), at = block_y() * slices + block_x(), i = thread_id();
  const uint64_t best = greatest_head(rows.heads + block_y() * slices, slices, scratch.row);
  if (!draws(best, spec)) return;
  const SortedRow row = rows.sorted.of(block_y());
  const uint64_t last = last_of_top_k(row, batch.vocab, spec.top_k, best, scratch);
  const int token = block_x() * kSlice + i;
  uint64_t mass = 0;
  if (i < slice_size(batch.vocab, block_x()) && row.ranks[token] >= last)
    mass = mass_of(logit_of(key_of(row.ranks[token])), logit_of(key_of(best)), spec.temperature);
  if (mass < spec.least) mass = 0;
  const uint64_t up_to = scan_block(mass, scratch.row);
  row.prefix[token] = up_to;
  const uint64_t end = block_max(mass > 0 ? i + 1 : 0, scratch.row);
  if (i == thread_count() - 1) rows.totals[at] = up_to, rows.ends[at] = end;
}

// Draws from the tokens that stay, s.high of each slice: the first token by id at which the running sum of the masses
// exceeds the point. Calls choose(id) in one thread.
template <class Choose>
GPT2RUN_DEVICE void draw_by_id(const SortedRow& row, uint64_t point, PrefixScratch& s, Choose choose) {
  const int t = thread_id();
  const uint64_t of_slice = t < row.slices ? row.weight(t, s.high[t]) : 0, with_slice = scan_block(of_slice, s.row);
  if (with_slice > point && with_slice - of_slice <= point) s.found = t, s.prefix.sum = with_slice - of_slice;
  s.weights[t] = 0;
  sync_block();
  const int slice = s.found;
  if (t < s.high[slice])
    s.weights[id_at(row.ranks[slice * kSlice + t]) - slice * kSlice] = row.weight(slice, t + 1) - row.weight(slice, t);
  sync_block();
  const uint64_t own = s.weights[t], up_to = s.prefix.sum + scan_block(own, s.row);
  if (up_to > point && up_to - own <= point) choose(slice * kSlice + t);
}

// One block per row.
GPT2RUN_KERNEL(kSlice)
draw_kernel(LogitBatch batch, const NucleusSpec* specs, NucleusRows rows) {
  PrefixScratch& scratch = prefix_scratch();
  const NucleusSpec& spec = spec_of(specs, batch, block_x());
  const int slices = rows.sorted.slices, first = block_x() * slices, t = thread_id();
  int32_t& chosen = chosen_at(batch, block_x());
  const uint64_t best = greatest_head(rows.heads + first, slices, scratch.row);
  if (!draws(best, spec)) {
    if (t == 0) chosen = is_usable(key_of(best)) ? id_at(best) : kNone;
    return;
  }
  if (t < slices) scratch.high[t] = static_cast<int>(rows.ends[first + t]);
  uint64_t kept = block_sum(t < slices ? rows.totals[first + t] : 0, scratch.row);
  const SortedRow row = rows.sorted.of(block_x());
  if (spec.top_p != kKeepAll) {
    const uint64_t target = top_p_target(spec.top_p, kept);
    kept = first_prefix(row, key_of(best), target > 0 ? target : 1, scratch).sum;
  }
  const RowKey& key = batch.keys[block_x()];
  draw_by_id(row, draw(key.seed, key.sequence, key.position + key.shift, kept), scratch,
             [&](int32_t id) { chosen = id; });
}

class Nucleus final : public Sampler {
 public:
  Nucleus(const Options& options, const Host&) : spec_(nucleus_spec(options)) { check(spec_); }

  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, device_spec(spec_));
    const size_t slices = slices_of(layout.vocab);
    for (RowMemory<uint64_t>* memory : {&heads_, &totals_, &ends_}) memory->prepare(layout, slices);
    for (RowMemory<uint64_t>* memory : {&ranks_, &prefix_}) memory->prepare(layout, slices * kSlice);
  }

  void configure(int32_t slot, const Options* options) override {
    const SelectSpec spec = options ? nucleus_spec(*options) : spec_;
    check(spec);
    specs_.set(slot, device_spec(spec));
  }

  void sample(const LogitBatch& batch) override {
    const NucleusRows rows = {
        {ranks_.data(), prefix_.data(), slices_of(batch.vocab)}, heads_.data(), totals_.data(), ends_.data()};
    const int threads = slice_threads(batch.vocab);
    const NucleusSpec* specs = specs_.of(batch);
    for_parts(batch, ranks_.rows(), [&](const LogitBatch& part) {
      launch_sort(part, rows.sorted, rows.heads);
      launch_slices("weigh", threads, sizeof(PrefixScratch), weigh_kernel, part, specs, rows);
      launch({"draw", {part.rows, 1, 1}, threads, sizeof(PrefixScratch), part.stream}, draw_kernel, part, specs, rows);
    });
  }

 private:
  SelectSpec spec_;  // as created
  SlotSpecs<NucleusSpec> specs_;
  RowMemory<uint64_t> heads_, totals_, ends_, ranks_, prefix_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Nucleus>(
    "nucleus", true, "one draw from the most likely tokens (temperature, top-k, min-p, top-p)",
    gpt2run::kNucleusOptions, std::size(gpt2run::kNucleusOptions));
