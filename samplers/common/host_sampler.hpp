// What samplers in host memory share: the walk over the rows of a batch, and the descriptor.
#pragma once
#include <span>

#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

// A sampler to which every row is alike; its memory is one row's.
class RowSampler : public Sampler {
 public:
  void prepare(const LogitBatch& layout) final { scratch_.prepare(layout.vocab); }
  void sample(const LogitBatch& batch) final {
    for (int32_t row = 0; row < batch.rows; ++row) sample_row(batch, row, scratch_);
  }

 private:
  virtual void sample_row(const LogitBatch& batch, int32_t row, SelectScratch& scratch) = 0;

  SelectScratch scratch_;
};

template <class S>
constexpr Plugin host_sampler(const char* name, bool selects, const char* summary,
                              std::span<const OptionSpec> options = {}) {
  return host_plugin<Sampler, S>(Kind::sampler, selects, name, "0.1.0", summary, options);
}

}  // namespace gpt2run
