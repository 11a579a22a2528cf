#include "gpt2run/evaluation/teacher_forcing.hpp"

#include <algorithm>

namespace gpt2run {

Limits teacher_forcing_limits(int32_t longest, int32_t chunk, int32_t threads, int32_t device, int32_t slots) {
  const int32_t context = std::max(1, longest - 1), rows = std::min(chunk, context) * slots;
  return {slots, context, rows, rows, threads, device, false};
}

TeacherForcing::TeacherForcing(Session& session, int32_t chunk, int32_t slot)
    : session_(session), chunk_(chunk), slot_(slot) {
  if (chunk < 1) fail("expected a chunk of at least one row, found ", chunk);
}

void TeacherForcing::surround(std::vector<std::span<const int32_t>> neighbours) {
  const LogitBatch layout = session_.layout();
  for (const auto& tokens : neighbours) check(tokens, layout);
  neighbours_ = std::move(neighbours);
}

void TeacherForcing::check(std::span<const int32_t> tokens, const LogitBatch& layout) const {
  if (std::ssize(tokens) < 2) fail("expected a text of at least 2 tokens, found ", tokens.size());
  if (std::ssize(tokens) > layout.token_stride)
    fail("expected a text of at most ", layout.token_stride, " tokens, found ", tokens.size());
  for (const int32_t id : tokens)
    if (id < 0 || id >= layout.vocab) fail("token ", id, " is out of range, the vocabulary has ", layout.vocab);
}

void TeacherForcing::begin(std::span<const int32_t> tokens, int32_t first, uint64_t sequence) {
  const LogitBatch layout = session_.layout();
  check(tokens, layout);
  if (first < 1 || first >= std::ssize(tokens))
    fail("expected a first target of 1 to ", tokens.size() - 1, ", found ", first);
  session_.start(slot_, {sequence, 0, 0, 0, slot_, 0});
  for (int32_t i = 0; i < std::ssize(neighbours_); ++i) {
    const int32_t slot = i + (i >= slot_);
    session_.start(slot, {sequence + 1 + i, 0, 0, 0, slot, 0});
  }
  // Write all tokens at once, because each target is scored before it is fed.
  session_.write(tokens.data(), layout.tokens + slot_ * layout.token_stride, tokens.size_bytes());
  tokens_ = tokens, first_ = first, fed_ = 0, steps_ = 0;
}

void TeacherForcing::add_neighbour(int32_t slot) {
  const std::span<const int32_t> tokens = neighbours_[slot - (slot > slot_)];
  const int64_t begin = int64_t(steps_) * chunk_, end = std::min<int64_t>(begin + chunk_, std::ssize(tokens) - 1);
  for (int64_t i = begin; i < end; ++i) rows_.push_back({slot, tokens[i], false});
}

bool TeacherForcing::step(LogitBatch& batch) {
  const int32_t last = static_cast<int32_t>(tokens_.size()) - 1;  // only a target
  if (fed_ >= last) return false;
  const int32_t end = std::min(fed_ + chunk_, last), slots = static_cast<int32_t>(neighbours_.size()) + 1;
  rows_.clear();
  for (int32_t slot = 0; slot < std::max(slots, slot_ + 1); ++slot) {
    if (slot != slot_ && slot - (slot > slot_) < std::ssize(neighbours_)) add_neighbour(slot);
    for (int32_t i = fed_; slot == slot_ && i < end; ++i) rows_.push_back({slot, tokens_[i], i + 1 >= first_});
  }
  batch = session_.step(rows_);
  fed_ = end, ++steps_;
  return true;
}

bool TeacherForcing::next(TargetRows& rows) {
  LogitBatch batch;
  if (!step(batch)) return false;
  rows = {fed_ + 1 - batch.rows, batch.rows, batch.raw, batch.stride};
  if (batch.space == Space::host || batch.rows == 0) return true;
  copies_.resize(batch.rows * batch.stride);
  session_.read(batch.raw, copies_.data(), copies_.size() * sizeof(float));
  rows.logits = copies_.data();
  return true;
}

std::vector<float> TeacherForcing::logprobs(std::span<const int32_t> tokens, int32_t first, uint64_t sequence) {
  begin(tokens, first, sequence);
  for (LogitBatch batch; step(batch);)
    if (batch.rows > 0) session_.score(batch);
  std::vector<float> scores(tokens.size() - first);
  const LogitBatch layout = session_.layout();
  session_.read(layout.logprobs + slot_ * layout.token_stride + first, scores.data(), scores.size() * sizeof(float));
  return scores;
}

}  // namespace gpt2run
