#include "gpt2compare/patched_feed.hpp"

#include <algorithm>
#include <string_view>

namespace gpt2run {
namespace {

constexpr int32_t kRows = 256;  // rows of a step, shared by the texts that are fed together

}  // namespace

Limits feed_limits(int32_t slots, int32_t context, FedRows rows, int32_t threads, int32_t device) {
  const int32_t most = std::min(std::max(kRows, slots), slots * context);
  return {slots, context, most, rows == FedRows::all ? most : slots, threads, device, false};
}

PatchedFeed::PatchedFeed(Session& session, const Limits& limits, std::span<const Patch> patches)
    : session_(session), limits_(limits), tap_(patches, [this](uint64_t text) { return texts_[text].patches; }) {}

bool PatchedFeed::tensor(const char* op, int layer, float* host, int rows, int cols) {
  const std::vector<TensorRow>& owners = op == std::string_view(name_of(Op::norm_logits)) ? logit_owners_ : owners_;
  if (std::ssize(owners) != rows) fail("a tap saw ", rows, " rows of ", op, ", expected ", owners.size());
  return tap_.tensor(op, layer, host, cols, owners);
}

void PatchedFeed::run(std::span<const FedText> texts, int32_t first, FedRows rows, const OnRow& on_row) {
  const TapOfPatches tapped(session_, *this);
  const auto together = static_cast<size_t>(limits_.slots - first);
  texts_ = texts;
  for (size_t begin = 0; begin < texts.size(); begin += together)
    feed_together(texts.subspan(begin, std::min(together, texts.size() - begin)), begin, first, rows, on_row);
}

void PatchedFeed::feed_together(std::span<const FedText> texts, size_t index, int32_t first, FedRows wanted,
                                const OnRow& on_row) {
  const auto share = std::max<int32_t>(1, limits_.rows / static_cast<int32_t>(texts.size()));
  std::vector<int32_t> fed;
  for (size_t t = 0; t < texts.size(); ++t) {
    const int32_t slot = first + static_cast<int32_t>(t), keep = texts[t].keep;
    session_.start(slot, {index + t, 0, 0, 0, keep > 0 ? 0 : slot, keep});
    fed.push_back(keep);
  }
  while (true) {
    rows_.clear(), owners_.clear(), logit_owners_.clear();
    for (size_t t = 0; t < texts.size(); ++t) {
      const std::span<const int32_t> tokens = texts[t].tokens;
      for (int32_t i = 0; i < share && fed[t] < std::ssize(tokens); ++i, ++fed[t]) {
        const bool logits = wanted == FedRows::all || fed[t] + 1 == std::ssize(tokens);
        rows_.push_back({first + static_cast<int32_t>(t), tokens[fed[t]], logits});
        owners_.push_back({index + t, fed[t], tokens[fed[t]]});
        if (logits) logit_owners_.push_back(owners_.back());
      }
    }
    if (rows_.empty()) return;
    pass_on(session_.step(rows_), on_row);
  }
}

void PatchedFeed::pass_on(const LogitBatch& batch, const OnRow& on_row) {
  const float* logits = batch.raw;
  if (batch.space != Space::host && batch.rows > 0) {
    copies_.resize(batch.rows * batch.stride);
    session_.read(batch.raw, copies_.data(), copies_.size() * sizeof(float));
    logits = copies_.data();
  }
  for (int32_t r = 0; r < batch.rows; ++r)
    on_row(logit_owners_[r].sequence, logit_owners_[r].position,
           {logits + r * batch.stride, static_cast<size_t>(batch.vocab)});
}

}  // namespace gpt2run
