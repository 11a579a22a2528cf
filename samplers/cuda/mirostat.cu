// Sampler mirostat on the device: draws from the tokens whose surprise is within a bound, which follows the surprise
// that was observed. The bound of each slot is part of the slot's options in device memory.
#include "../common/options.hpp"
#include "heads.cuh"

namespace gpt2run::cuda {
namespace {

// The memory of the kernels for the rows of a launch: (rows, slices).
struct MirostatRows {
  uint64_t *heads, *totals, *kept;  // greatest rank, mass, and mass of the tokens within the bound
};

// A row as one of its blocks sees it.
struct MirostatRow {
  const float* logits;
  int vocab;
  uint64_t best;  // the greatest rank
  double temperature;

  GPT2RUN_DEVICE bool draws() const { return is_usable(key_of(best)) && temperature != 0; }
  // The mass of the thread's token of a slice, 0 if there is none.
  GPT2RUN_DEVICE uint64_t own_mass(int slice) const {
    const int id = slice * kSlice + thread_id();
    return id < vocab ? mass_of(logits[id], logit_of(key_of(best)), temperature) : 0;
  }
};

// slices: those of the row. heads: (rows, slices)
GPT2RUN_DEVICE MirostatRow mirostat_row(const LogitBatch& batch, int row, int slices, double temperature,
                                        const uint64_t* heads) {
  return {batch.logits + row * batch.stride, batch.vocab, greatest_head(heads + row * slices, slices, row_scratch()),
          temperature};
}

// The shared memory of mirostat_kernel: the slice in which the token is, and the mass kept in those before it.
struct MirostatScratch {
  RowScratch row;  // first, as row_scratch() expects it
  int slice;
  uint64_t before;
};

// The sum over a row's slices of `values`, (rows, slices).
GPT2RUN_DEVICE uint64_t sum_of_row(const uint64_t* values, int row, int slices) {
  return block_sum(thread_id() < slices ? values[row * slices + thread_id()] : 0, row_scratch());
}

// totals = the mass of each slice.
GPT2RUN_KERNEL(kSlice)
total_kernel(LogitBatch batch, const MirostatSpec* specs, MirostatRows rows) {
  const int slices = blocks_x();
  const MirostatRow row =
      mirostat_row(batch, block_y(), slices, spec_of(specs, batch, block_y()).temperature, rows.heads);
  if (!row.draws()) return;
  const uint64_t sum = block_sum(row.own_mass(block_x()), row_scratch());
  if (thread_id() == 0) rows.totals[block_y() * slices + block_x()] = sum;
}

// kept = the mass of each slice's tokens within the bound.
GPT2RUN_KERNEL(kSlice)
kept_kernel(LogitBatch batch, const MirostatSpec* specs, MirostatRows rows) {
  const int slices = blocks_x();
  const MirostatSpec& spec = spec_of(specs, batch, block_y());
  const MirostatRow row = mirostat_row(batch, block_y(), slices, spec.temperature, rows.heads);
  if (!row.draws()) return;
  const uint64_t least = mass_within(spec.mu, sum_of_row(rows.totals, block_y(), slices));
  const uint64_t mass = row.own_mass(block_x()), kept = block_sum(mass >= least ? mass : 0, row_scratch());
  if (thread_id() == 0) rows.kept[block_y() * slices + block_x()] = kept;
}

// Chooses a token and sets the slot's next bound, with one block per row.
GPT2RUN_KERNEL(kSlice)
mirostat_kernel(LogitBatch batch, MirostatSpec* specs, MirostatRows rows) {
  auto& scratch = *static_cast<MirostatScratch*>(shared_memory());
  const int slices = slices_of(batch.vocab), t = thread_id();
  const RowKey key = batch.keys[block_x()];
  const MirostatSpec spec = specs[key.slot];  // before a thread changes it
  int32_t& chosen = chosen_at(batch, block_x());
  const MirostatRow row = mirostat_row(batch, block_x(), slices, spec.temperature, rows.heads);
  if (!row.draws()) {
    if (t == 0) chosen = is_usable(key_of(row.best)) ? id_at(row.best) : kNone;
    return;
  }
  const uint64_t least = mass_within(spec.mu, sum_of_row(rows.totals, block_x(), slices));
  if (least > kWholeMass) {  // every token is more surprising: the most likely one
    if (t == 0) chosen = id_at(row.best), specs[key.slot].mu = next_mu(spec.mu, spec, kWholeMass, kWholeMass);
    return;
  }
  // The first token by id at which the running sum of the masses exceeds the point.
  const uint64_t kept = sum_of_row(rows.kept, block_x(), slices);
  const uint64_t point = draw(key.seed, key.sequence, key.position + key.shift, kept);
  const uint64_t of_slice = t < slices ? rows.kept[block_x() * slices + t] : 0;
  const uint64_t with_slice = scan_block(of_slice, scratch.row);
  if (with_slice > point && with_slice - of_slice <= point) scratch.slice = t, scratch.before = with_slice - of_slice;
  sync_block();
  const uint64_t own = row.own_mass(scratch.slice), mass = own >= least ? own : 0;
  const uint64_t up_to = scratch.before + scan_block(mass, scratch.row);
  if (up_to > point && up_to - mass <= point)
    chosen = scratch.slice * kSlice + t, specs[key.slot].mu = next_mu(spec.mu, spec, kept, mass);
}

class Mirostat final : public Sampler {
 public:
  Mirostat(const Options& options, const Host&) : spec_(mirostat_spec(options)) {}
  void prepare(const LogitBatch& layout) override {
    specs_.prepare(layout, spec_);
    for (RowMemory<uint64_t>* memory : {&heads_, &totals_, &kept_}) memory->prepare(layout, slices_of(layout.vocab));
  }
  void configure(int32_t slot, const Options* options) override {
    specs_.set(slot, options ? mirostat_spec(*options) : spec_);
  }
  void sample(const LogitBatch& batch) override {
    const MirostatRows rows = {heads_.data(), totals_.data(), kept_.data()};
    const int threads = slice_threads(batch.vocab);
    MirostatSpec* specs = specs_.of(batch);
    for_parts(batch, heads_.rows(), [&](const LogitBatch& part) {
      launch_heads(part, rows.heads);
      launch_slices("mirostat_total", threads, sizeof(RowScratch), total_kernel, part, specs, rows);
      launch_slices("mirostat_kept", threads, sizeof(RowScratch), kept_kernel, part, specs, rows);
      launch({"mirostat", {part.rows, 1, 1}, threads, sizeof(MirostatScratch), part.stream}, mirostat_kernel, part,
             specs, rows);
    });
  }

 private:
  MirostatSpec spec_;  // as created
  SlotSpecs<MirostatSpec> specs_;
  RowMemory<uint64_t> heads_, totals_, kept_;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Mirostat>(
    "mirostat", true, "one draw that keeps the surprise of a text even (Mirostat 2.0)", gpt2run::kMirostatOptions,
    std::size(gpt2run::kMirostatOptions));
