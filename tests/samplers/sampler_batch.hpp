// A session's side of a built sampler: a batch of rows in host memory.
#pragma once
#include <random>

#include "gpt2run/sampler.hpp"
#include "support/plugin.hpp"

namespace gpt2run::test {

inline constexpr int32_t kSlots = 6, kContext = 40, kUntouched = -77;

// A batch in host memory. Rows are padded with logits that would win if a sampler read them.
struct Batch {
  std::vector<float> logits;
  std::vector<RowKey> keys;
  std::vector<int32_t> tokens = std::vector<int32_t>(kSlots * (kContext + 1), kUntouched);
  int32_t vocab, padding = 3;

  explicit Batch(int32_t v) : vocab(v) {}

  void add(const std::vector<float>& row, RowKey key) {
    logits.insert(logits.end(), row.begin(), row.end());
    logits.insert(logits.end(), padding, 1e30f);
    keys.push_back(key);
  }
  LogitBatch view() {
    return {.logits = logits.data(),
            .raw = logits.data(),
            .stride = vocab + padding,
            .rows = static_cast<int32_t>(keys.size()),
            .vocab = vocab,
            .keys = keys.data(),
            .tokens = tokens.data(),
            .logprobs = nullptr,
            .token_stride = kContext + 1,
            .seed = 1234,
            .space = Space::host,
            .device = 0,
            .stream = nullptr};
  }
  int32_t chosen(int row) const { return tokens[keys[row].slot * (kContext + 1) + keys[row].position]; }
};

inline std::unique_ptr<Sampler> sampler(const std::string& name, const OptionValues& options, Batch& layout) {
  auto made = make_plugin<Sampler>(Kind::sampler, name, options);
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
