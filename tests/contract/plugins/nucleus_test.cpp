// Sampler nucleus in the fake device's memory.
#include "gpt2run/sdk/select.hpp"
#include "support/fake_device.hpp"

namespace {

using namespace gpt2run;

struct Nucleus : Sampler {
  Nucleus(const Options& options, const Host&)
      : spec{options.real("temp"), static_cast<int32_t>(options.integer("top_k")), 0, options.real("top_p")} {}
  void prepare(const LogitBatch& layout) override { scratch.prepare(layout.vocab); }
  void sample(const LogitBatch& batch) override {
    test::enqueue_on(batch, [this](const LogitBatch& on_device) {
      for (int r = 0; r < on_device.rows; ++r) {
        const RowKey& key = on_device.keys[r];
        choice_of(on_device, r) =
            select_nucleus(logits_of(on_device, r), spec, key.seed, key.sequence, key.position + key.shift, scratch);
      }
    });
  }
  SelectSpec spec;
  SelectScratch scratch;
};

constexpr OptionSpec kOptions[] = {{"temp", "real", "1", "[0, inf)", "temperature"},
                                   {"top_k", "int", "10", "[0, 262143]", "0 is all"},
                                   {"top_p", "real", "0.8", "(0, 1]", "1 is all"}};

}  // namespace

GPT2RUN_PLUGIN = {kAbi,
                  kTag,
                  Kind::sampler,
                  Space::test,
                  true,
                  "nucleus",
                  "1",
                  "one draw from the most likely tokens",
                  kOptions,
                  3,
                  runs_everywhere,
                  make<Sampler, Nucleus>};
