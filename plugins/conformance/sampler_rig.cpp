// Fills and checks the memory around a sampler.
#include "conformance/sampler_rig.hpp"

#include <algorithm>
#include <cstring>

namespace gpt2run::conformance {
namespace {

constexpr float kPadding = 1e30f;     // more likely than any token, if it were one
constexpr int32_t kUntouched = -777;  // no token, and not kNone
constexpr float kLogprob = 123.0f;

// Told apart by sequence, so that a row keeps its history in another slot.
int32_t history(uint64_t sequence, int position) {
  return static_cast<int32_t>((sequence * 7 + position * 5) % kVocab);
}

size_t index_of(int slot, int position) { return static_cast<size_t>(slot) * (kContext + 1) + position; }
size_t index_of(const RowKey& key) { return index_of(key.slot, key.position); }

}  // namespace

SamplerRig::SamplerRig(const Plugin& plugin)
    : selects_(plugin.selects),
      sampler_(create<Sampler>(plugin)),
      logits_(kRows * kStride, 0.0f),
      tokens_(kSlots * (kContext + 1)),
      logprobs_(tokens_.size(), kLogprob),
      keys_(kRows),
      layout_{logits_.data(), logits_.data(),   kStride,      kRows,       kVocab, kSlots, keys_.data(),
              tokens_.data(), logprobs_.data(), kContext + 1, Space::host, 0,      nullptr} {
  sampler_->prepare(layout_);
}

std::vector<SamplerResult> SamplerRig::sample(const std::vector<SamplerRow>& rows, uint64_t seed) {
  fill(rows, seed);
  LogitBatch batch = layout_;
  batch.rows = static_cast<int32_t>(rows.size());
  sampler_->sample(batch);
  check(rows);
  std::vector<SamplerResult> results;
  for (size_t r = 0; r < rows.size(); ++r) {
    const auto from = logits_.begin() + static_cast<std::ptrdiff_t>(r * kStride);
    results.push_back({tokens_[index_of(rows[r].key)], {from, from + kVocab}});
  }
  return results;
}

void SamplerRig::fill(const std::vector<SamplerRow>& rows, uint64_t seed) {
  std::fill(logits_.begin(), logits_.end(), kPadding);
  std::fill(tokens_.begin(), tokens_.end(), kUntouched);
  for (size_t r = 0; r < rows.size(); ++r) {
    const RowKey& key = rows[r].key;
    keys_[r] = key;
    keys_[r].seed = seed;
    std::copy(rows[r].logits.begin(), rows[r].logits.end(), logits_.begin() + static_cast<std::ptrdiff_t>(r * kStride));
    for (int p = 0; p < key.position; ++p) tokens_[index_of(key.slot, p)] = history(key.sequence, p);
  }
  before_ = logits_;
  old_tokens_ = tokens_;
}

void SamplerRig::check(const std::vector<SamplerRow>& rows) const {
  std::vector<int32_t> expected = old_tokens_;
  for (const SamplerRow& row : rows) {
    const int32_t token = tokens_[index_of(row.key)];
    if (selects_) {
      require((token >= 0 && token < kVocab) || token == kNone, "row of slot ", row.key.slot, ": wrote token ", token,
              ", expected 0 to ", kVocab - 1, " or kNone");
      expected[index_of(row.key)] = token;
    }
  }
  require(tokens_ == expected,
          selects_ ? "it wrote tokens beside its own" : "it wrote tokens, and only changes logits");
  const auto is_kept = [](float x) { return x == kLogprob; };
  require(std::all_of(logprobs_.begin(), logprobs_.end(), is_kept), "it wrote logprobs");
  for (size_t i = 0; i < logits_.size(); ++i) {
    const bool is_own = i / kStride < rows.size() && i % kStride < kVocab;
    if (is_own && !selects_) continue;
    require(std::memcmp(&logits_[i], &before_[i], sizeof(float)) == 0,
            is_own ? "it changed logits, and declares that it selects" : "it wrote behind the vocabulary or the rows");
  }
}

}  // namespace gpt2run::conformance
