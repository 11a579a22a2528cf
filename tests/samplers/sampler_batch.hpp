// A session's side of a built sampler: a batch of rows in host memory. Compiled with GPT2RUN_TEST_SAMPLERS, the folder
// of CUDA samplers built for the executor, the same tests run those: its device memory is the host's.
#pragma once
#include <random>

#include "gpt2run/sampler.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {

inline constexpr int32_t kSlots = 6, kContext = 40, kUntouched = -77;

#ifdef GPT2RUN_TEST_SAMPLERS
inline constexpr Space kSamplerSpace = Space::test;
inline const Plugin& load_sampler(const std::string& name) {
  return load_plugin_file(GPT2RUN_TEST_SAMPLERS "/gpt2run-sampler-" + name + ".test.so");
}
#else
inline constexpr Space kSamplerSpace = Space::host;
inline const Plugin& load_sampler(const std::string& name) { return load_plugin(Kind::sampler, name); }
#endif

// A batch in host memory. Rows are padded with logits that would win if a sampler read them.
struct Batch {
  std::vector<float> logits;
  std::vector<RowKey> keys;
  std::vector<int32_t> tokens = std::vector<int32_t>(kSlots * (kContext + 1), kUntouched);
  int32_t vocab, padding = 3;

  explicit Batch(int32_t v) : vocab(v) {}

  struct Whose {
    uint64_t sequence;
    int32_t slot, position;
  };

  void add(const std::vector<float>& row, Whose whose) {
    logits.insert(logits.end(), row.begin(), row.end());
    logits.insert(logits.end(), padding, 1e30f);
    keys.push_back({whose.sequence, 1234, whose.slot, whose.position, 1, 0});
  }
  LogitBatch view() {
    return {.logits = logits.data(),
            .raw = logits.data(),
            .stride = vocab + padding,
            .rows = static_cast<int32_t>(keys.size()),
            .vocab = vocab,
            .slots = kSlots,
            .keys = keys.data(),
            .tokens = tokens.data(),
            .logprobs = nullptr,
            .token_stride = kContext + 1,
            .space = kSamplerSpace,
            .device = 0,
            .stream = nullptr};
  }
  int32_t chosen(int row) const { return tokens[keys[row].slot * (kContext + 1) + keys[row].position]; }
};

inline std::unique_ptr<Sampler> sampler(const std::string& name, const OptionValues& options, Batch& layout) {
  const Plugin& plugin = load_sampler(name);
  std::unique_ptr<Sampler> made(static_cast<Sampler*>(plugin.create(PluginOptions(plugin, options), kTestHost)));
  made->prepare(layout.view());
  return made;
}

inline std::vector<float> row_of(int32_t vocab, uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<float> row(vocab);
  for (float& logit : row) logit = static_cast<float>(bits() % 64) / 16;
  return row;
}

}  // namespace gpt2run::test
