// The engine's backends on a CPU: exact reference operations, the plugins of the precisions, and the fake device with
// samplers on it and behind it.
#pragma once
#include "engine/engine_rig.hpp"
#include "support/exact_ops.hpp"
#include "support/fake_device.hpp"

namespace gpt2run::test {

// Operations whose keys depend on how many rows of the slot a step has, as they may in a session that does not declare
// prefill.
struct GrainedOps : ExactOps {
  void norm_qkv(const Weights::Layer& w, State& s, const Step& step, int layer) const {
    ExactOps::norm_qkv(w, s, step, layer);
    for (const HostRow& row : step.rows) {
      const auto count = std::ranges::count(step.rows, row.slot, &HostRow::slot);
      const int H = s.config.H, D = s.config.C / H;
      for (int i = 0; count > 1 && i < H * D; ++i)
        s.keys[s.key(layer, row.slot, i / D, row.position, i % D)] *= 1 + static_cast<float>(count) / 64;
    }
  }
};

// A sampler on the fake device: it enqueues what another sampler does in host memory.
struct EnqueuedSampler final : Sampler {
  explicit EnqueuedSampler(std::unique_ptr<Sampler> inner) : inner(std::move(inner)) {}
  void prepare(const LogitBatch& layout) override { inner->prepare(layout); }
  void configure(int32_t slot, const Options* options) override { inner->configure(slot, options); }
  void sample(const LogitBatch& batch) override {
    enqueue_on(batch, [this](const LogitBatch& own) { inner->sample(own); });
  }
  std::unique_ptr<Sampler> inner;
};

inline std::unique_ptr<Sampler> enqueued(std::unique_ptr<Sampler> sampler) {
  return std::make_unique<EnqueuedSampler>(std::move(sampler));
}

inline std::unique_ptr<Sampler> sampler_plugin(const std::string& name, const OptionValues& options, Space space) {
  auto sampler = make_plugin<Sampler>(Kind::sampler, name, options);
  return space == Space::host ? std::move(sampler) : enqueued(std::move(sampler));
}

template <class O>
EngineBackend host_backend(const std::string& name, bool prefill) {
  const auto open = [prefill](const Checkpoint& checkpoint, const Limits& limits) {
    const Traits traits{true, true, true, prefill, 0};
    return std::make_unique<HostSession<O>>(std::make_shared<O>(), checkpoint, limits, traits);
  };
  return {.name = name, .open = open, .make_sampler = sampler_plugin};
}

inline EngineBackend plugin_backend(const std::string& name, const std::string& plugin,
                                    const OptionValues& options = {}) {
  const auto open = [=](const Checkpoint& checkpoint, const Limits& limits) {
    return make_plugin<Precision>(Kind::precision, plugin, options)->open(checkpoint, limits);
  };
  return {.name = name, .open = open, .make_sampler = sampler_plugin};
}

inline EngineBackend fake_backend(const std::string& name, Space samplers, int replay) {
  const auto open = [](const Checkpoint& checkpoint, const Limits& limits) {
    return std::make_unique<FakeSession<ExactOps>>(std::make_shared<ExactOps>(), checkpoint, limits);
  };
  EngineBackend backend{
      .name = name, .open = open, .make_sampler = sampler_plugin, .samplers = samplers, .replay = replay};
  if (samplers == Space::test) backend.lift = enqueued;
  return backend;
}

inline std::vector<EngineBackend> cpu_engine_backends() {
  return {host_backend<ExactOps>("exact", true),
          host_backend<GrainedOps>("grained", false),
          plugin_backend("reference_fp16", "reference", {{"type", "fp16"}}),
          plugin_backend("cpu_fp32", "cpu-fp32"),
          plugin_backend("cpu_bf16", "cpu-bf16"),
          plugin_backend("cpu_fp16", "cpu-fp16"),
          fake_backend("fake_device_1", Space::test, 1),
          fake_backend("fake_device_3", Space::test, 3),
          fake_backend("fake_device_16", Space::test, 16),
          fake_backend("host_samplers_behind_a_fake_device", Space::host, 1)};
}

}  // namespace gpt2run::test
