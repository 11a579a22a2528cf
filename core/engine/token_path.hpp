// From rows to chosen tokens, wherever the session's memory is: one body of step, samplers and score, repeated on a
// device, or with the logits copied to host samplers and the choice copied back.
#pragma once
#include <map>
#include <vector>

#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

class TokenPath {
 public:
  // slots: of the session; wants: of all sinks together. Prepares the samplers.
  TokenPath(Session& session, const Chain& chain, int slots, uint32_t wants);

  ~TokenPath() { session_.times(nullptr); }
  TokenPath(const TokenPath&) = delete;

  // True if a body may be replayed: the session's own memory holds the samplers and nobody looks between two tokens.
  bool can_repeat() const { return repeatable_; }

  void start(int slot, uint64_t sequence, int from, int keep);

  // Writes a prompt into the slot's row of the token table, so that scoring finds targets that are not fed yet.
  void put(int slot, std::span<const int32_t> tokens);

  // One forward pass. The first `sampled` rows that ask for logits go through the chain, the others are only scored.
  void step(std::span<const Row> rows, int sampled);

  // `times` bodies; all rows are kSampled.
  void repeat(std::span<const Row> rows, int times);

  // BoundPlugin tokens and their log-probabilities at [slot][position, position + out.size()).
  void read_tokens(int slot, int position, std::span<int32_t> out);
  void read_logprobs(int slot, int position, std::span<float> out);

  // (vocab) raw logits of the i-th row that asked for them in the last step, in host memory; null unless wanted.
  const float* logits(int row) const { return raw_ ? raw_ + row * layout_.stride : nullptr; }
  const StepTimes* times() const { return timed_ ? &times_ : nullptr; }

 private:
  void prepare_copies(int slots);
  LogitBatch body(std::span<const Row> rows, int sampled);
  void sample_behind_device(const LogitBatch& batch);
  void wait();

  Session& session_;
  const Chain& chain_;
  LogitBatch layout_, copies_{};  // the session's pointers; those of a host chain behind a device
  bool scored_, wants_logits_, timed_, adapted_, repeatable_;
  StepTimes times_{};
  const float* raw_ = nullptr;
  std::vector<float> host_logits_, host_raw_;  // copies of rows behind a device
  std::vector<RowKey> host_keys_;
  std::vector<int32_t> host_tokens_;               // (S, context + 1), the host samplers' history behind a device
  std::map<std::vector<int32_t>, uint64_t> keys_;  // sets of slots that were repeated
};

}  // namespace gpt2run
