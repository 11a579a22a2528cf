// Feeds texts to a session, several at a time, each with patches of its own.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "gpt2run/engine/patch.hpp"

namespace gpt2run {

// One text. A text with keep > 0 takes over its first `keep` positions from the text in slot 0.
struct FedText {
  std::span<const int32_t> tokens;
  std::span<const BoundPatch> patches;
  int32_t keep = 0;  // below the number of tokens
};

// Which rows of logits are wanted.
enum class FedRows : uint8_t { last, all };

// Limits of a session that feeds `slots` texts of up to `context` tokens at a time.
Limits feed_limits(int32_t slots, int32_t context, FedRows rows, int32_t threads, int32_t device);

// It is the session's tap while it feeds. The session must outlive it. One thread at a time.
class PatchedFeed final : private Tap {
 public:
  // limits: those of the session. patches: all that can occur.
  PatchedFeed(Session& session, const Limits& limits, std::span<const Patch> patches);

  // Receives the logits (V) that follow a position of a text; they are valid during the call. Rows of the texts that
  // are fed together alternate: in each step those of the first text come first.
  using OnRow = std::function<void(size_t text, int32_t position, std::span<const float> logits)>;

  // Feeds texts in slots from `first` on, so many at a time as there are slots. Throws Error if the session has no taps
  // or does not take values back.
  void run(std::span<const FedText> texts, int32_t first, FedRows rows, const OnRow& on_row);

 private:
  bool wants(const char* op) const override { return tap_.wants(op); }
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override;
  void feed_together(std::span<const FedText> texts, size_t index, int32_t first, FedRows rows, const OnRow& on_row);
  void pass_on(const LogitBatch& batch, const OnRow& on_row);

  Session& session_;
  Limits limits_;
  std::span<const FedText> texts_;  // that are fed now
  PatchTap tap_;
  std::vector<Row> rows_;
  std::vector<TensorRow> owners_, logit_owners_;  // of the step
  std::vector<float> copies_;                     // of logits behind a device
};

}  // namespace gpt2run
