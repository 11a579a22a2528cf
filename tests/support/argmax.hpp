// Argmax in host memory or on the fake device.
#pragma once
#include "gpt2run/sdk/select.hpp"
#include "support/fake_device.hpp"

namespace gpt2run::test {

struct Argmax final : Sampler {
  explicit Argmax(bool on_device) : on_device(on_device) {}
  void sample(const LogitBatch& batch) override {
    const auto work = [](const LogitBatch& batch) {
      for (int r = 0; r < batch.rows; ++r) choice_of(batch, r) = select_argmax(logits_of(batch, r));
    };
    on_device ? enqueue_on(batch, work) : work(batch);
  }
  bool on_device;
};

}  // namespace gpt2run::test
