// Sampler logit-bias on the device: adds a number to the logits of some tokens, or drops them.
#include "../common/options.hpp"
#include "row.cuh"

namespace gpt2run::cuda {
namespace {

// The biases of a slot, (count), in device memory. Every id is there once.
struct BiasList {
  const TokenBias* biases;
  int count;
};

GPT2RUN_KERNEL(kRowThreads)
logit_bias_kernel(LogitBatch batch, const BiasList* lists) {
  const BiasList list = spec_of(lists, batch, block_x());
  float* logits = batch.logits + block_x() * batch.stride;
  for (int i = thread_id(); i < list.count; i += kRowThreads) {
    const TokenBias own = list.biases[i];
    logits[own.id] = biased(logits[own.id], own.bias);
  }
}

// Copies biases into an array. A larger array takes its place where it is too small. before: what was in place of it,
// which may still be read and so must live until the slot's list has been set.
BiasList list_in(Array<TokenBias>& array, const std::vector<TokenBias>& biases, void* stream,
                 Array<TokenBias>& before) {
  if (biases.empty()) return {nullptr, 0};
  if (array.size() < biases.size()) before = std::exchange(array, Array<TokenBias>(biases.size()));
  upload(array.data(), biases.data(), biases.size() * sizeof(TokenBias), stream);
  return {array.data(), static_cast<int>(biases.size())};
}

class LogitBias final : public Sampler {
 public:
  LogitBias(const Options& options, const Host&) : biases_(biases_of(options)) {}

  void prepare(const LogitBatch& layout) override {
    check_ids(biases_, layout.vocab);
    use_device(layout.device);
    if (device_ != layout.device) by_slot_.clear(), created_array_ = {};
    device_ = layout.device, stream_ = layout.stream, vocab_ = layout.vocab;
    by_slot_.resize(size_t(std::max({layout.slots, 1, static_cast<int>(by_slot_.size())})));
    Array<TokenBias> before;
    created_ = list_in(created_array_, biases_, stream_, before);
    lists_.prepare(layout, created_);
  }

  void configure(int32_t slot, const Options* options) override {
    if (!options) return lists_.set(slot, created_);
    const std::vector<TokenBias> biases = biases_of(*options);
    check_ids(biases, vocab_);
    if (slot < 0 || slot >= std::ssize(by_slot_)) return lists_.set(slot, created_);  // which refuses the slot
    use_device(device_);
    Array<TokenBias> before;
    lists_.set(slot, list_in(by_slot_[slot], biases, stream_, before));
  }

  void sample(const LogitBatch& batch) override {
    launch_rows("logit_bias", batch.rows, 0, logit_bias_kernel, batch, lists_.of(batch));
  }

 private:
  std::vector<TokenBias> biases_;          // as created
  Array<TokenBias> created_array_;         // the same in device memory
  std::vector<Array<TokenBias>> by_slot_;  // (S) or more, of requests with biases of their own
  BiasList created_ = {};
  SlotSpecs<BiasList> lists_;
  int device_ = 0, vocab_ = 0;
  void* stream_ = nullptr;
};

}  // namespace
}  // namespace gpt2run::cuda

GPT2RUN_PLUGIN = gpt2run::cuda::sampler_plugin<gpt2run::cuda::LogitBias>(
    "logit-bias", false, "adds numbers to the logits of some tokens, or bans them", gpt2run::kLogitBiasOptions,
    std::size(gpt2run::kLogitBiasOptions));
