// Common parts of the samplers in host memory: options per slot, the loop over the rows of a batch, and the descriptor.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

// The options of each slot.
template <class Spec>
class SlotSpecs {
 public:
  explicit SlotSpecs(const Spec& created) : created_(created) {}

  // Gives all slots of the layout the options that the sampler was created with.
  void prepare(const LogitBatch& layout) { by_slot_.assign(static_cast<size_t>(std::max(layout.slots, 1)), created_); }

  // spec: null for the options that the sampler was created with. Throws Error for a slot that the layout does not
  // have.
  void set(int32_t slot, const Spec* spec) {
    if (slot < 0 || slot >= std::ssize(by_slot_))
      fail("slot ", slot, " is out of range, the sampler was prepared for ", by_slot_.size());
    by_slot_[slot] = spec ? *spec : created_;
  }

  // Of a row's slot; a sampler that keeps state in its spec may change it. Throws Error if the sampler was prepared for
  // a session with fewer slots.
  Spec& of(const LogitBatch& batch, int32_t row) {
    if (batch.slots > std::ssize(by_slot_))
      fail("the batch has ", batch.slots, " slots, the sampler was prepared for ", by_slot_.size());
    return by_slot_[batch.keys[row].slot];
  }

 private:
  Spec created_;
  std::vector<Spec> by_slot_;  // (S)
};

// Scratch memory for rows that need none.
struct NoScratch {
  void prepare(int32_t) {}
};

// A sampler that processes one row after another, each with the options of its slot. Derived must have a static `Spec
// spec_of(const Options&)`, and a method sample_row(batch, row, spec, scratch). The spec is that of the slot, and the
// scratch memory, which prepare(vocab) allocates, is shared by all rows.
template <class Derived, class Spec, class Scratch = SelectScratch>
class RowSampler : public Sampler {
 public:
  explicit RowSampler(const Options& options) : specs_(Derived::spec_of(options)) {}

  void prepare(const LogitBatch& layout) final {
    scratch_.prepare(layout.vocab);
    specs_.prepare(layout);
  }
  void configure(int32_t slot, const Options* options) final {
    if (!options) return specs_.set(slot, nullptr);
    const Spec spec = Derived::spec_of(*options);
    specs_.set(slot, &spec);
  }
  void sample(const LogitBatch& batch) final {
    for (int32_t row = 0; row < batch.rows; ++row)
      static_cast<Derived&>(*this).sample_row(batch, row, specs_.of(batch, row), scratch_);
  }

 private:
  Scratch scratch_;
  SlotSpecs<Spec> specs_;
};

// The descriptor of a sampler in host memory.
template <class S>
constexpr Plugin host_sampler(const char* name, bool selects, const char* summary,
                              std::span<const OptionSpec> options = {}) {
  return host_plugin<Sampler, S>(Kind::sampler, selects, name, "0.1.0", summary, options);
}

}  // namespace gpt2run
