// Sampler argmax on the device: selects the token with the greatest logit, and of equal ones that with the lowest id.
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

GPT2RUN_KERNEL(kRowThreads)
argmax_kernel(LogitBatch batch) {
  const uint64_t best = greatest_rank(batch.logits + block_x() * batch.stride, batch.vocab, row_scratch());
  if (thread_id() == 0) chosen_at(batch, block_x()) = is_usable(key_of(best)) ? id_at(best) : kNone;
}

class Argmax final : public Sampler {
 public:
  Argmax(const Options&, const Host&) {}
  void prepare(const LogitBatch& layout) override { check_layout(layout); }
  void configure(int32_t, const Options*) override {}  // there are no options
  void sample(const LogitBatch& batch) override {
    launch_rows("argmax", batch.rows, sizeof(RowScratch), argmax_kernel, batch);
  }
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::Argmax>("argmax", true, "the most likely token");
