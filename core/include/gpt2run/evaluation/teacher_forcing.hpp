// Teacher forcing: a text goes through a session as it stands, and every position tells what it holds of the token that
// really follows. Perplexity and comparison are both this walk. It is taken in chunks, so that memory does not grow
// with the text, and rows are never handed to a sampler.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// What a session must hold for texts of up to `longest` tokens, fed `chunk` rows at a time. longest: at most the
// model's context + 1, since the last token is a target only.
Limits teacher_forcing_limits(int32_t longest, int32_t chunk, int32_t threads = 0, int32_t device = 0,
                              int32_t slots = 1);

// Logits of targets that stand together: row r is what precedes tokens[position + r].
struct TargetRows {
  int32_t position, rows;
  const float* logits;  // (rows, stride) raw, in host memory, until the next call of the same object
  int64_t stride;
};

// One text at a time in one slot. The session outlives it; its limits are those of teacher_forcing_limits. One thread
// at a time.
class TeacherForcing {
 public:
  // chunk: rows of a step, at most the session's. 1 is decoding, token by token.
  TeacherForcing(Session& session, int32_t chunk, int32_t slot = 0);

  // tokens: at least 2, they outlive the walk. Targets are [first, size), first at least 1: what stands before is
  // context only. Throws Error for a text that the session cannot hold or whose ids it does not know.
  void begin(std::span<const int32_t> tokens, int32_t first, uint64_t sequence = 0);

  // From the next begin() on: other texts that are fed in the same steps, chunk by chunk, the i-th in the i-th of the
  // other slots. They are there to be computed beside; nobody sees their logits. They outlive the walks, and fit as
  // tokens do. begin() throws Error for more of them than there are slots.
  void surround(std::vector<std::span<const int32_t>> neighbours);

  // One step; false when all tokens were fed before. rows: gets the step's targets, perhaps none. Throws Error.
  bool next(TargetRows& rows);

  // Natural logs of the probabilities of all targets, under the raw logits: the walk to its end, with score() on the
  // session's side, so that no logits leave it.
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
