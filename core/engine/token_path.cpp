#include "token_path.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gpt2run {
namespace {

class Stopwatch {
 public:
  float lap() {  // milliseconds since the last lap
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<float, std::milli> spent = now - std::exchange(last_, now);
    return spent.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace

TokenPath::TokenPath(Session& session, const Chain& chain, int slots, uint32_t wants)
    : session_(session),
      chain_(chain),
      layout_(session.layout()),
      scored_(wants & kLogprob),
      wants_logits_(wants & kLogits),
      timed_(wants & kTimes),
      adapted_(chain.space != layout_.space),
      repeatable_(looks_because(layout_.space, chain.space, wants).empty()) {
  if (chain.samplers.empty()) fail("the sampler chain is empty");
  if (adapted_ && chain.space != Space::host) {
    fail("samplers in ", name_of(chain.space), " memory cannot follow a precision in ", name_of(layout_.space),
         " memory");
  }
  if (layout_.space != Space::host && wants_logits_) host_raw_.resize(layout_.rows * layout_.stride);
  if (adapted_) prepare_copies(slots);
  for (Sampler* sampler : chain.samplers) sampler->prepare(adapted_ ? copies_ : layout_);
  session_.times(timed_ ? &times_ : nullptr);
}

void TokenPath::prepare_copies(int slots) {
  host_logits_.resize(layout_.rows * layout_.stride);
  host_keys_.resize(layout_.rows);
  host_tokens_.resize(slots * layout_.token_stride);
  copies_ = layout_;
  const bool keeps_raw = layout_.raw != layout_.logits;
  if (keeps_raw) host_raw_.resize(host_logits_.size());
  copies_.logits = host_logits_.data(), copies_.keys = host_keys_.data();
  copies_.raw = keeps_raw ? host_raw_.data() : host_logits_.data();
  copies_.tokens = host_tokens_.data(), copies_.logprobs = nullptr;
  copies_.space = Space::host, copies_.stream = nullptr;
}

void TokenPath::start(int slot, uint64_t sequence, int from, int keep) {
  session_.start(slot, sequence, from, keep);
  if (adapted_ && slot != from) {
    std::copy_n(&host_tokens_[from * layout_.token_stride], keep, &host_tokens_[slot * layout_.token_stride]);
  }
}

void TokenPath::put(int slot, std::span<const int32_t> tokens) {
  const int64_t row = slot * layout_.token_stride;
  session_.write(tokens.data(), layout_.tokens + row, tokens.size_bytes());
  if (adapted_) std::copy(tokens.begin(), tokens.end(), &host_tokens_[row]);
}

LogitBatch TokenPath::body(std::span<const Row> rows, int sampled) {
  const LogitBatch batch = session_.step(rows);
  Stopwatch watch;
  LogitBatch chosen = batch;
  chosen.rows = sampled;
  if (sampled > 0 && adapted_) sample_behind_device(chosen);
  if (sampled > 0 && !adapted_) {
    for (Sampler* sampler : chain_.samplers) sampler->sample(chosen);
    if (timed_) wait(), times_.sampling = watch.lap();
  }
  if (scored_ && batch.rows > 0) session_.score(batch);
  return batch;
}

void TokenPath::wait() {
  int32_t any;
  session_.read(layout_.tokens, &any, sizeof any);
}

void TokenPath::sample_behind_device(const LogitBatch& batch) {
  Stopwatch watch;
  session_.read(batch.logits, host_logits_.data(), batch.rows * batch.stride * sizeof(float));
  session_.read(batch.keys, host_keys_.data(), batch.rows * sizeof(RowKey));
  times_.copy_to_host = watch.lap();
  copies_.rows = batch.rows;
  if (copies_.raw != copies_.logits) std::copy_n(host_logits_.data(), batch.rows * batch.stride, host_raw_.data());
  for (Sampler* sampler : chain_.samplers) sampler->sample(copies_);
  times_.sampling = watch.lap();
  for (int r = 0; r < batch.rows; ++r) {
    const int64_t at = host_keys_[r].slot * layout_.token_stride + host_keys_[r].position;
    session_.write(&host_tokens_[at], layout_.tokens + at, sizeof(int32_t));
  }
  times_.copy_next_token = watch.lap();
}

void TokenPath::step(std::span<const Row> rows, int sampled) {
  times_ = {};
  const LogitBatch batch = body(rows, sampled);
  raw_ = nullptr;
  if (!wants_logits_ || batch.rows == 0) return;
  raw_ = batch.raw;
  if (batch.space != Space::host) {
    Stopwatch watch;
    session_.read(batch.raw, host_raw_.data(), batch.rows * batch.stride * sizeof(float));
    times_.copy_to_host += watch.lap();
    raw_ = host_raw_.data();
  }
}

void TokenPath::repeat(std::span<const Row> rows, int times) {
  std::vector<int32_t> slots;
  for (const Row& row : rows) slots.push_back(row.slot);
  const uint64_t key = keys_.try_emplace(std::move(slots), keys_.size()).first->second;
  struct Call {
    TokenPath* path;
    std::span<const Row> rows;
  } call{this, rows};
  const auto body = [](void* arg) {
    const Call& call = *static_cast<Call*>(arg);
    call.path->body(call.rows, static_cast<int>(call.rows.size()));
  };
  session_.repeat(times, key, body, &call);
}

void TokenPath::read_tokens(int slot, int position, std::span<int32_t> out) {
  session_.read(layout_.tokens + slot * layout_.token_stride + position, out.data(), out.size_bytes());
}

void TokenPath::read_logprobs(int slot, int position, std::span<float> out) {
  session_.read(layout_.logprobs + slot * layout_.token_stride + position, out.data(), out.size_bytes());
}

}  // namespace gpt2run
