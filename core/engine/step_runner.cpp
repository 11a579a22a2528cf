#include "step_runner.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <sstream>
#include <utility>

namespace gpt2run {
namespace {

class Stopwatch {
 public:
  // Milliseconds since the last call.
  float lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<float, std::milli> spent = now - std::exchange(last_, now);
    return spent.count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Has the session fill in times until the end of the scope. It keeps no pointer to them afterwards, because other users
// of the session may follow.
class Timed {
 public:
  Timed(Session& session, StepTimes* times) : session_(session) { session_.times(times); }
  ~Timed() { session_.times(nullptr); }
  Timed(const Timed&) = delete;

 private:
  Session& session_;
};

// Runs a chain on its rows. Errors name the chain.
void sample(const Chain& chain, const LogitBatch& batch) {
  try {
    for (Sampler* sampler : chain.samplers) sampler->sample(batch);
  } catch (const std::exception& error) {
    if (chain.names.empty()) throw;
    throw Error("sampler " + chain.names + ": " + error.what());
  }
}

// The names of the chain's samplers, or nothing if it does not say all of them.
std::vector<std::string> names_of(const Chain& chain) {
  std::vector<std::string> names;
  std::istringstream list(chain.names);
  for (std::string name; std::getline(list, name, ',');) names.push_back(std::move(name));
  return names.size() == chain.samplers.size() ? names : std::vector<std::string>();
}

bool is_none(const std::vector<float>& logits, int32_t vocab) {
  return std::all_of(logits.begin(), logits.begin() + vocab, [](float logit) { return logit == -INFINITY; });
}

// Keys are unique in the process, because a session keeps graphs under their keys and may outlive this object.
std::atomic<uint64_t> next_key = 1;

}  // namespace

StepRunner::StepRunner(Session& session, uint32_t wants)
    : session_(session), layout_(session.layout()), timed_(wants & kTimes) {}

void StepRunner::check(const Chain& chain) const {
  if (chain.samplers.empty()) fail("the sampler chain is empty");
  if (is_behind_device(chain) && chain.space != Space::host) {
    fail("samplers in ", name_of(chain.space), " memory cannot follow a precision in ", name_of(layout_.space),
         " memory");
  }
}

void StepRunner::prepare(Sampler& sampler, Space space) {
  if (space == layout_.space) return sampler.prepare(layout_);
  make_copies();
  sampler.prepare(copies_);
}

void StepRunner::make_copies() {
  if (copies_.logits) return;
  host_logits_.resize(layout_.rows * layout_.stride);
  host_keys_.resize(layout_.rows);
  host_tokens_.resize(layout_.slots * layout_.token_stride);
  copies_ = layout_;
  const bool keeps_raw = layout_.raw != layout_.logits;
  if (keeps_raw) host_copy_of_raw_.resize(host_logits_.size());
  copies_.logits = host_logits_.data(), copies_.keys = host_keys_.data();
  copies_.raw = keeps_raw ? host_copy_of_raw_.data() : host_logits_.data();
  copies_.tokens = host_tokens_.data(), copies_.logprobs = nullptr;
  copies_.space = Space::host, copies_.stream = nullptr;
}

void StepRunner::start(int slot, const Start& start, std::span<const int32_t> tokens) {
  session_.start(slot, start);
  if (!host_tokens_.empty()) std::ranges::copy(tokens, &host_tokens_[slot * layout_.token_stride]);
}

void StepRunner::write_prompt(int slot, std::span<const int32_t> tokens) {
  session_.write(tokens.data(), layout_.tokens + slot * layout_.token_stride, tokens.size_bytes());
}

void StepRunner::write_logprob(int slot, int position, float logprob) {
  session_.write(&logprob, layout_.logprobs + slot * layout_.token_stride + position, sizeof logprob);
}

LogitBatch StepRunner::run_step(const StepPlan& plan) {
  const LogitBatch batch = session_.step(plan.rows);
  Stopwatch watch;
  LogitBatch part = batch;
  for (const ChainRows& chain : plan.chains) {
    part.rows = chain.rows;
    if (is_behind_device(*chain.chain)) {
      sample_behind_device(*chain.chain, part, plan.scored);
    } else {
      sample(*chain.chain, part);
      if (timed_) {
        int32_t any;
        session_.read(layout_.tokens, &any, sizeof any);  // waits for the samplers
        times_.sampling += watch.lap();
      }
    }
    part.logits += chain.rows * batch.stride, part.raw += chain.rows * batch.stride, part.keys += chain.rows;
  }
  if (plan.scored && batch.rows > 0) session_.score(batch);
  return batch;
}

void StepRunner::sample_behind_device(const Chain& chain, const LogitBatch& part, bool scored) {
  Stopwatch watch;
  const size_t elements = part.rows * part.stride;
  const Transfer pieces[] = {{part.logits, host_logits_.data(), elements * sizeof(float)},
                             {part.keys, host_keys_.data(), part.rows * sizeof(RowKey)}};
  session_.read(pieces);
  times_.copy_to_host += watch.lap();
  LogitBatch copy = copies_;
  copy.rows = part.rows;
  if (copy.raw != copy.logits) std::copy_n(host_logits_.data(), elements, host_copy_of_raw_.data());
  sample(chain, copy);
  times_.sampling += watch.lap();
  if (!scored) return;  // the next step passes the tokens in its rows
  transfers_.clear();
  for (int r = 0; r < part.rows; ++r) {
    const int64_t at = host_keys_[r].slot * layout_.token_stride + host_keys_[r].position;
    transfers_.push_back({&host_tokens_[at], layout_.tokens + at, sizeof(int32_t)});
  }
  session_.write(transfers_);
  times_.copy_next_token += watch.lap();
}

void StepRunner::step(const StepPlan& plan) {
  times_ = {};
  {
    const Timed timed(session_, timed_ ? &times_ : nullptr);
    last_ = run_step(plan);
  }
  raw_ = nullptr;
  if (!plan.wants_logits || last_.rows == 0) return;
  raw_ = last_.raw;
  if (last_.space == Space::host) return;
  Stopwatch watch;
  host_raw_.resize(layout_.rows * layout_.stride);
  session_.read(last_.raw, host_raw_.data(), last_.rows * last_.stride * sizeof(float));
  times_.copy_to_host += watch.lap();
  raw_ = host_raw_.data();
}

const float* StepRunner::read_logits(int row) {
  const float* from = last_.raw + row * last_.stride;
  if (last_.space == Space::host) return from;
  one_row_.resize(last_.vocab);
  session_.read(from, one_row_.data(), one_row_.size() * sizeof(float));
  return one_row_.data();
}

std::string StepRunner::who_left_none(const Chain& chain, int row) {
  const std::vector<std::string> names = names_of(chain);
  std::vector<float> logits(layout_.stride);
  std::copy_n(read_logits(row), layout_.vocab, logits.begin());
  if (names.empty() || chain.space != Space::host) return "";
  // A session that keeps no raw logits has only the row that the chain has changed, in which every logit is -inf. A row
  // of zeros stands for the one before: samplers that ban tokens do not look at the values, and those that do leave at
  // least one token.
  if (is_none(logits, layout_.vocab)) std::fill(logits.begin(), logits.end(), 0.f);
  const std::vector<float> raw = logits;
  RowKey key;
  session_.read(last_.keys + row, &key, sizeof key);
  LogitBatch one = is_behind_device(chain) ? copies_ : last_;
  one.rows = 1, one.keys = &key, one.logits = logits.data(), one.raw = raw.data();
  try {
    for (size_t i = 0; i + 1 < names.size(); ++i) {
      chain.samplers[i]->sample(one);
      if (is_none(logits, layout_.vocab)) return names[i];
    }
  } catch (const std::exception&) {
    // A sampler that does not repeat itself.
  }
  return "";
}

bool StepRunner::can_replay(const StepPlan& plan) const {
  if (plan.wants_logits || timed_ || layout_.space == Space::host) return false;
  return std::ranges::none_of(plan.chains, [&](const ChainRows& part) { return is_behind_device(*part.chain); }) &&
         std::ranges::all_of(plan.rows, [](const Row& row) { return row.token == kSampled; });
}

uint64_t StepRunner::graph_key(const StepPlan& plan) {
  std::vector<uint64_t> what{plan.rows.size(), plan.scored};
  for (const ChainRows& part : plan.chains) what.push_back(part.id), what.push_back(part.rows);
  const auto [found, fresh] = keys_.try_emplace(std::move(what));
  if (fresh) found->second.key = next_key++;
  found->second.used = ++uses_;
  const uint64_t key = found->second.key;
  if (keys_.size() > kMostKeys)
    keys_.erase(std::ranges::min_element(keys_, {}, [](const auto& one) { return one.second.used; }));
  return key;
}

void StepRunner::run_replays(const StepPlan& plan, int times) {
  raw_ = nullptr;
  struct Call {
    StepRunner* runner;
    const StepPlan& plan;
  } call{this, plan};
  const auto body = [](void* arg) {
    const Call& call = *static_cast<Call*>(arg);
    call.runner->run_step(call.plan);
  };
  session_.repeat(times, graph_key(plan), plan.rows, body, &call);
}

void StepRunner::read(std::span<const ResultPiece> pieces) {
  transfers_.clear();
  for (const ResultPiece& piece : pieces) {
    const int64_t at = piece.slot * layout_.token_stride + piece.position;
    if (piece.tokens && piece.behind_device)
      std::copy_n(&host_tokens_[at], piece.count, piece.tokens);
    else if (piece.tokens)
      transfers_.push_back({layout_.tokens + at, piece.tokens, piece.count * sizeof(int32_t)});
    if (piece.logprobs) transfers_.push_back({layout_.logprobs + at, piece.logprobs, piece.count * sizeof(float)});
  }
  if (!transfers_.empty()) session_.read(transfers_);
}

}  // namespace gpt2run
