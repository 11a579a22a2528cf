// Teacher forcing: feeds a given text to a session and returns, for each position, the logits or the log-probability of
// the token that follows in the text. Perplexity and comparisons are both computed this way. A text is fed in chunks,
// so memory does not grow with its length, and no row is ever handed to a sampler.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// Limits of a session for texts of up to `longest` tokens that are fed `chunk` rows at a time. longest: at most the
// model's context + 1, since the last token is only a target and is not fed.
Limits teacher_forcing_limits(int32_t longest, int32_t chunk, int32_t threads = 0, int32_t device = 0,
                              int32_t slots = 1);

// Logits of consecutive targets: row r predicts tokens[position + r].
struct TargetRows {
  int32_t position, rows;
  const float* logits;  // (rows, stride) raw, in host memory, valid until the next call on the same object
  int64_t stride;
};

// Feeds one text at a time in one slot. The session must outlive this object and have been opened with
// teacher_forcing_limits. One thread at a time.
class TeacherForcing {
 public:
  // chunk: rows of a step, at most the session's. A chunk of 1 decodes token by token.
  TeacherForcing(Session& session, int32_t chunk, int32_t slot = 0);

  // Begins a text of at least 2 tokens, which must stay alive until it has been fed. The targets are the positions
  // [first, size); first is at least 1, and what comes before it is context only. Throws Error for a text that does not
  // fit the session, and for an id outside the vocabulary.
  void begin(std::span<const int32_t> tokens, int32_t first, uint64_t sequence = 0);

  // Sets other texts that are fed in the same steps from the next begin() on, chunk by chunk; text i takes the i-th of
  // the other slots. They only make the batch larger: their logits are not returned. They must stay alive as long as
  // texts are fed, and the limits of begin() hold for them too. begin() throws Error if there are more of them than
  // other slots.
  void surround(std::vector<std::span<const int32_t>> neighbours);

  // Runs one step. Returns false once all tokens have been fed. rows: receives the targets of the step, possibly none.
  // Throws Error.
  bool next(TargetRows& rows);

  // Feeds the whole text and returns the natural log-probabilities of all targets under the raw logits. They come from
  // Session::score, so that no logits are copied to the host.
  std::vector<float> logprobs(std::span<const int32_t> tokens, int32_t first, uint64_t sequence = 0);

 private:
  bool step(LogitBatch& batch);
  void add_neighbour(int32_t slot);
  void check(std::span<const int32_t> tokens, const LogitBatch& layout) const;

  Session& session_;
  int32_t chunk_, slot_;
  std::span<const int32_t> tokens_;
  std::vector<std::span<const int32_t>> neighbours_;
  int32_t first_ = 1, fed_ = 0, steps_ = 0;
  std::vector<Row> rows_;
  std::vector<float> copies_;  // of logits behind a device
};

}  // namespace gpt2run
