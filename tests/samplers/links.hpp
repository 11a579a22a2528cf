// Chains of samplers over one row of logits, each its own plugin object.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "gpt2run/sdk/select.hpp"
#include "samplers/sampler_batch.hpp"

namespace gpt2run::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();

struct Link {
  std::string name;
  OptionValues options;
};

// Runs the links on the batch.
inline void run(Batch& batch, const std::vector<Link>& chain) {
  for (const Link& link : chain) sampler(link.name, link.options, batch)->sample(batch.view());
}

// One row after the tokens of `history`, of which the first `prompt` are the prompt.
inline Batch batch_of(const std::vector<float>& row, const std::vector<int32_t>& history, int32_t prompt = 1) {
  Batch batch(static_cast<int32_t>(row.size()));
  batch.add(row, {5, 2, static_cast<int32_t>(history.size())});
  batch.keys[0].prompt = prompt;
  std::copy(history.begin(), history.end(), &batch.tokens[2 * (kContext + 1)]);
  return batch;
}

// The row after the chain.
inline std::vector<float> changed(const std::vector<Link>& chain, const std::vector<float>& row,
                                  const std::vector<int32_t>& history = {}, int32_t prompt = 1) {
  Batch batch = batch_of(row, history, prompt);
  const std::vector<int32_t> tokens = batch.tokens;
  run(batch, chain);
  EXPECT_EQ(batch.tokens, tokens) << "only a selector writes tokens";
  EXPECT_EQ(std::vector<float>(batch.logits.begin() + batch.vocab, batch.logits.end()), std::vector<float>(3, 1e30f));
  return {batch.logits.begin(), batch.logits.begin() + batch.vocab};
}

}  // namespace gpt2run::test
