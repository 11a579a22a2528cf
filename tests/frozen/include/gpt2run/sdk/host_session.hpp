// HostSession: a session in host memory over any Ops set. It has the slots, the token table, the row keys, scoring,
// taps and times; the Ops set has the arithmetic. The CPU precisions, the reference, and precisions outside of this
// tree use it.
#pragma once
#include <chrono>
#include <cstring>
#include <limits>

#include "gpt2run/sdk/attention_weights.hpp"
#include "gpt2run/sdk/host_state.hpp"
#include "gpt2run/sdk/log_softmax.hpp"
#include "gpt2run/sdk/slots.hpp"

namespace gpt2run {

// O: an Ops set whose State is made from (ModelConfig, Limits), or by make_state() of these if the set has it; whose
// Weights have a `config`; and whose load(checkpoint) returns the weights. The session shares the Ops object with the
// precision that opened it. traits: as the session reports them, except for step_bytes, which is the size of one weight
// element here. If the elements have different sizes, the Weights have a `step_bytes` of their own.
//
// Taps see attention weights if the State has q and read_keys() as HostState has. They may change values if it has
// take(). If the set rounds what it writes, it has
// round_taken(config, op, layer, row, values), which rounds a row that a tap has changed as the operation rounds; keys
// and values are stored in the State's type anyway.
template <Ops O>
class HostSession final : public Session {
 public:
  HostSession(std::shared_ptr<O> ops, const Checkpoint& checkpoint, const Limits& limits, const Traits& traits)
      : ops_(std::move(ops)),
        traits_(with_step_bytes(traits, checkpoint.config())),
        slots_(checkpoint.config(), limits),
        weights_(ops_->load(checkpoint)),
        state_(make_state(*ops_, checkpoint.config(), limits)) {
    if constexpr (requires { weights_.step_bytes; }) traits_.step_bytes = weights_.step_bytes;
    const size_t table = size_t(limits.slots) * (limits.context + 1);
    tokens_.resize(table), logprobs_.resize(table);
    rows_.resize(limits.rows), logit_rows_.resize(limits.logit_rows), keys_.resize(limits.logit_rows);
  }

  const Traits& traits() const override { return traits_; }

  LogitBatch layout() const override {
    auto* self = const_cast<HostSession*>(this);
    const Limits& limits = slots_.limits();
    const float* raw = limits.keep_raw ? state_.raw.data() : state_.logits.data();
    return {self->state_.logits.data(),
            raw,
            state_.stride,
            limits.logit_rows,
            state_.config.V,
            limits.slots,
            keys_.data(),
            self->tokens_.data(),
            self->logprobs_.data(),
            row_stride(),
            Space::host,
            0,
            nullptr};
  }

  void start(int slot, const Start& start) override {
    slots_.start(slot, start);
    if (slot == start.from) return;
    state_.copy_cache(slot, start.from, start.keep);
    std::copy_n(&tokens_[start.from * row_stride()], start.keep, &tokens_[slot * row_stride()]);
    std::copy_n(&logprobs_[start.from * row_stride()], start.keep, &logprobs_[slot * row_stride()]);
  }

  LogitBatch step(std::span<const Row> rows) override {
    slots_.check(rows);
    const auto begin = std::chrono::steady_clock::now();
    LogitBatch batch = layout();
    batch.rows = assign_positions(rows);
    const HostStep step{{rows_.data(), rows.size()}, {logit_rows_.data(), size_t(batch.rows)}};
    forward(step);
    if (slots_.limits().keep_raw) std::copy_n(state_.logits.data(), batch.rows * state_.stride, state_.raw.data());
    if (times_) {
      const std::chrono::duration<float, std::milli> spent = std::chrono::steady_clock::now() - begin;
      times_->copy_to_device = 0, times_->forward = spent.count();
    }
    return batch;
  }

  void score(const LogitBatch& batch) override {
    for (int r = 0; r < batch.rows; ++r) {
      const int64_t at = batch.keys[r].slot * batch.token_stride + batch.keys[r].position;
      const int32_t id = batch.tokens[at];
      if (id < 0 || id >= batch.vocab) {
        batch.logprobs[at] = std::numeric_limits<float>::quiet_NaN();
      } else {
        batch.logprobs[at] = static_cast<float>(log_probability(batch.raw + r * batch.stride, batch.vocab, id));
      }
    }
  }

  using Session::read;
  using Session::write;
  void read(const void* from, void* host, size_t bytes) override { std::memcpy(host, from, bytes); }
  void write(const void* host, void* to, size_t bytes) override { std::memcpy(to, host, bytes); }

  bool tap(Tap* tap) override {
    tap_ = SessionTap(tap, kHasAttentionWeights ? kTapOps : kOps);
    return true;
  }
  void times(StepTimes* times) override { times_ = times; }

  // By the set's own norm_logits, in a state of its own, so that nothing of a step in progress is touched.
  bool readout(const float* x, int rows, float* logits) override {
    const int C = state_.config.C, V = state_.config.V;
    const Readout& end = open_readout();
    for (int first = 0; first < rows; first += kReadoutRows) {
      const auto count = static_cast<size_t>(std::min(rows - first, kReadoutRows));
      typename O::State& s = *end.state;
      std::copy_n(x + int64_t{first} * C, count * C, s.x.data());
      ops_->norm_logits(weights_.head, s, HostStep{{end.rows.data(), count}, {end.logit_rows.data(), count}});
      for (size_t r = 0; r < count; ++r) std::copy_n(&s.logits[r * s.stride], V, logits + int64_t(first + r) * V);
    }
    return true;
  }

 private:
  static constexpr bool kHasAttentionWeights = requires(const typename O::State& s, float* keys) {
    s.read_keys(0, 0, 0, 0, keys);
    s.q.data();
  };

  // What readout() computes in: a state with so many rows, and next to no cache. Rows share the weights that are read.
  static constexpr int kReadoutRows = 128;
  struct Readout {
    std::unique_ptr<typename O::State> state;
    std::vector<HostRow> rows;
    std::vector<int32_t> logit_rows;
  };

  const Readout& open_readout() {
    if (readout_.state) return readout_;
    Limits limits{};
    limits.slots = limits.context = 1, limits.threads = slots_.limits().threads;
    limits.rows = limits.logit_rows = kReadoutRows;
    readout_.rows.assign(kReadoutRows, HostRow{0, 0, 0});
    for (int r = 0; r < kReadoutRows; ++r) readout_.logit_rows.push_back(r);
    readout_.state.reset(new typename O::State(make_state(*ops_, state_.config, limits)));
    return readout_;
  }

  // Multiplies step_bytes, the size of one element, by the number of elements that a step reads.
  static Traits with_step_bytes(Traits traits, const ModelConfig& config) {
    traits.step_bytes *= step_elements(config);
    return traits;
  }

  static typename O::State make_state(O& ops, const ModelConfig& config, const Limits& limits) {
    if constexpr (requires { ops.make_state(config, limits); })
      return ops.make_state(config, limits);
    else
      return typename O::State(config, limits);
  }

  int64_t row_stride() const { return slots_.limits().context + 1; }

  // Gives every row its position and token, writes the token table and the keys, and advances the slots' lengths. An id
  // outside the vocabulary (kNone, or a faulty sampler) is fed as token 0; whoever reads the table reports it. Returns
  // the number of rows that need logits.
  int assign_positions(std::span<const Row> rows) {
    int logit_rows = 0;
    for (size_t i = 0; i < rows.size(); ++i) {
      const Row& row = rows[i];
      const int position = slots_.length(row.slot);
      int32_t& token = tokens_[row.slot * row_stride() + position];
      if (row.token != kSampled) token = row.token;
      rows_[i] = {row.slot, position, token >= 0 && token < state_.config.V ? token : 0};
      if (row.logits) {
        keys_[logit_rows] = slots_.key(row.slot, position + 1);
        logit_rows_[logit_rows++] = static_cast<int32_t>(i);
      }
      slots_.advance(rows.subspan(i, 1));
    }
    return logit_rows;
  }

  void forward(const HostStep& step) {
    if (!tap_) return gpt2_forward(*ops_, weights_, state_, step);
    gpt2_forward(*ops_, weights_, state_, step, [&](Op op, int layer) {
      if (tap_.wants(op)) show(op, layer, step);
      if (op == Op::norm_qkv && tap_.wants(Op::attention_weights)) show_attention_weights(layer, step);
    });
  }

  void show(Op op, int layer, const HostStep& step) {
    const Matrix m = state_.written(op, layer, step, scratch_);
    if (m.rows == 0) return;
    shown_.assign(m.data, m.data + int64_t{m.rows} * m.cols);
    if (tap_.call(op, layer, shown_.data(), m.rows, m.cols)) take_back(op, layer, step, m);
  }

  void show_attention_weights(int layer, const HostStep& step) {
    if constexpr (kHasAttentionWeights) {
      const auto read_keys = [&](int slot, int head, int positions, float* keys) {
        state_.read_keys(layer, slot, head, positions, keys);
      };
      const int P = attention_weights(state_.config, layer, step.rows, state_.q.data(), read_keys, shown_);
      tap_.call(Op::attention_weights, layer, shown_.data(), static_cast<int>(step.rows.size()), state_.config.H * P);
    }
  }

  // Stores the rows of shown_ that a tap has changed in place of what the operation wrote. The others keep their bits,
  // even if rounding them again would not.
  void take_back(Op op, int layer, const HostStep& step, const Matrix& written) {
    const auto cols = static_cast<size_t>(written.cols);
    if constexpr (requires(typename O::State & s, const float* row) { s.take(op, layer, step, 0, row); }) {
      for (int r = 0; r < written.rows; ++r) {
        float* row = &shown_[r * cols];
        if (std::memcmp(row, written.data + r * cols, cols * sizeof(float)) == 0) continue;
        if constexpr (requires(std::span<float> values) { ops_->round_taken(state_.config, op, layer, r, values); })
          ops_->round_taken(state_.config, op, layer, r, std::span<float>(row, cols));
        state_.take(op, layer, step, r, row);
      }
    } else {
      fail("a tap changed ", name_of(op), ", and this precision cannot compute with changed values");
    }
  }

  std::shared_ptr<O> ops_;
  Traits traits_;
  Slots slots_;
  typename O::Weights weights_;
  typename O::State state_;
  std::vector<int32_t> tokens_;      // (S, context + 1)
  std::vector<float> logprobs_;      // (S, context + 1)
  std::vector<HostRow> rows_;        // (R)
  std::vector<int32_t> logit_rows_;  // (logit_rows)
  std::vector<RowKey> keys_;         // (logit_rows)
  std::vector<float> scratch_;       // for what is gathered for taps
  std::vector<float> shown_;         // what a tap sees
  Readout readout_;                  // made when it is first needed
  SessionTap tap_;
  StepTimes* times_ = nullptr;
};

}  // namespace gpt2run
