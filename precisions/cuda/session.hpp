// CudaSession: a session on a CUDA device. The host keeps the lengths of the slots; the device computes in stream
// order. Decode steps are recorded as graphs and replayed.
#pragma once
#include <algorithm>
#include <chrono>
#include <map>

#include "downloads.hpp"
#include "gpt2run/sdk/slots.hpp"
#include "ops.hpp"
#include "ranges.hpp"
#include "tap.hpp"

namespace gpt2run::cuda {

// dependent: a kernel may start before the one in front of it has ended (KernelStream in device.hpp).
// The limits' device must be selected on the calling thread when a session is made (open_device). Later calls select it
// themselves.
template <class Value>
class CudaSession final : public Session {
 public:
  CudaSession(const Checkpoint& checkpoint, const Limits& limits, Overflow overflow, Invariant invariant,
              double tolerance, Epilogue epilogue = Epilogue::exact, bool dependent = true)
      : traits_(traits_of(invariant, tolerance, step_elements(checkpoint.config()) * int64_t(sizeof(Value)),
                          contract_of(kTypeOf<Value>))),
        slots_(checkpoint.config(), limits),
        planner_(invariant, limits),
        ops_(needs_gemm(invariant, limits) ? open_gemm() : nullptr, epilogue),
        state_(checkpoint.config(), limits, needs_gemm(invariant, limits), dependent),
        weights_(WeightLoader<Value>(checkpoint, overflow, stream()).load(epilogue)),
        keys_(limits.logit_rows),
        tokens_(size_t(limits.slots) * token_stride()),
        logprobs_(tokens_.size()),
        slot_states_(limits.slots),
        body_slots_(limits.slots) {
    fill_zero(tokens_.data(), tokens_.bytes(), stream()), fill_zero(logprobs_.data(), logprobs_.bytes(), stream());
    fill_zero(slot_states_.data(), slot_states_.bytes(), stream());
    fill_zero(body_slots_.data(), body_slots_.bytes(), stream());
    wait(stream());
    weights_.set_read_only();
  }

  ~CudaSession() override {
    try {
      wait(stream());         // the device may still be using graphs and memory
    } catch (const Error&) {  // has been thrown by the last call that waited
    }
    for (const auto& [key, graph] : graphs_)
      if (graph.recorded) release_graph(graph.recorded);
  }

  const Traits& traits() const override { return traits_; }

  LogitBatch layout() const override {
    const Limits& limits = slots_.limits();
    return {state_.logits.data(),
            limits.keep_raw ? state_.raw.data() : state_.logits.data(),
            state_.stride,
            limits.logit_rows,
            state_.config.V,
            limits.slots,
            keys_.data(),
            tokens_.data(),
            logprobs_.data(),
            token_stride(),
            kSpace,
            limits.device,
            stream()};
  }

  void start(int slot, const Start& start) override {
    enter();
    slots_.start(slot, start);
    launch({"start", {1, 1, 1}, 1, 0, state_.kernels}, start_kernel, view(), slot,
           SlotState{start.sequence, start.seed, start.keep, start.prompt, start.shift});
    if (slot == start.from || start.keep == 0) return;
    state_.copy_cache(slot, start.from, start.keep);
    const int64_t to = slot * token_stride(), source = start.from * token_stride();
    copy(tokens_.data() + to, tokens_.data() + source, start.keep * sizeof(int32_t), stream());
    copy(logprobs_.data() + to, logprobs_.data() + source, start.keep * sizeof(float), stream());
  }

  LogitBatch step(std::span<const Row> rows) override {
    const Range range("step", static_cast<int64_t>(rows.size()));
    enter();
    if (body_.active) check_body(rows);
    if (!capturing_) slots_.check(rows);
    const auto begin = std::chrono::steady_clock::now();
    LogitBatch batch = layout();
    batch.rows = body_.active ? assign_sampled(static_cast<int>(rows.size())) : assign_positions(rows);
    if (times_) wait(stream());
    const auto assigned = std::chrono::steady_clock::now();
    if (!capturing_) slots_.advance(rows);
    forward(planner_.plan(rows));
    if (times_) {
      using Milliseconds = std::chrono::duration<float, std::milli>;
      wait(stream());
      times_->copy_to_device = Milliseconds(assigned - begin).count();
      times_->forward = Milliseconds(std::chrono::steady_clock::now() - assigned).count();
    }
    return batch;
  }

  void score(const LogitBatch& batch) override {
    const Range range("score");
    enter();
    if (batch.rows == 0) return;
    launch({"score", {batch.rows, 1, 1}, kStepThreads, Shared::bytes_of<double>(kStepThreads), state_.kernels},
           score_kernel, batch);
  }

  // The first call for a key runs its bodies without a graph, which also loads all kernels: many keys are used only
  // once, and recording costs as much as several steps. The second call records one body, and from then on there are
  // replays of it. Beyond kMostGraphs keys, the least recently used one goes with its graph.
  void repeat(int n, uint64_t key, std::span<const Row> rows, void (*body)(void*), void* arg) override {
    enter();
    if (n <= 0) return;
    slots_.check_repeat(rows, n);
    if (!std::ranges::all_of(rows, &Row::logits)) fail("repeat: every row of a body asks for logits");
    if (times_) return Session::repeat(n, key, rows, body, arg);  // step() waits then, so it cannot be recorded
    const bool fresh = is_new(key, rows.size());
    set_body_slots(rows);
    if (fresh)
      for (; n > 0; --n) run_body(rows, body, arg);
    Graph& graph = graph_of(key, rows.size());
    if (!fresh && !graph.recorded) graph.recorded = record(rows, body, arg);
    for (; n > 0; --n) {
      const Range range("replay");
      slots_.check(rows);
      slots_.advance(rows);
      replay(graph.recorded, stream());
    }
  }

  void read(const void* from, void* host, size_t bytes) override {
    const Transfer piece = {from, host, bytes};
    read({&piece, 1});
  }
  void write(const void* host, void* to, size_t bytes) override {
    enter();
    upload(to, host, bytes, stream());
  }

  // Both enqueue all pieces and wait once.
  void read(std::span<const Transfer> pieces) override {
    enter();
    downloads_.read(pieces, stream());
  }
  void write(std::span<const Transfer> pieces) override {
    enter();
    for (const Transfer& piece : pieces) enqueue_upload(piece.to, piece.from, piece.bytes, stream());
    if (!pieces.empty()) wait(stream());
  }

  bool tap(Tap* tap) override {
    tap_ = SessionTap(tap, kTapOps);
    return true;
  }
  void times(StepTimes* times) override { times_ = times; }

  // By the decode kernels, in a state of its own, so that nothing of a step in progress is touched. Rows that a step
  // has computed by cuBLASLt have other bits there.
  bool readout(const float* x, int rows, float* logits) override {
    enter();
    const int V = state_.config.V;
    DeviceState<Value>& s = open_readout();
    for (int first = 0; first < rows; first += kReadoutRows) {
      const int count = std::min(rows - first, kReadoutRows);
      for (int r = 0; r < count; ++r)
        upload(s.x.data() + int64_t{r} * s.x_stride, x + int64_t(first + r) * s.config.C, s.config.C * sizeof(float),
               s.stream.get());
      const RowRange all[] = {{0, count, false}};
      ops_.norm_logits(weights_.head, s, DeviceStep{count, count, {}, {}, all});
      readout_values_.values.clear();
      fetch_rows(s.logits.data(), count, V, s.stride, readout_values_, s.stream.get());
      std::copy(readout_values_.values.begin(), readout_values_.values.end(), logits + int64_t{first} * V);
    }
    return true;
  }

 private:
  static constexpr size_t kMostGraphs = 32;
  static constexpr int kReadoutRows = 64;

  // What readout() computes in: a state with so many rows, and next to no cache.
  DeviceState<Value>& open_readout() {
    if (readout_) return *readout_;
    Limits limits{};
    limits.slots = limits.context = 1, limits.device = slots_.limits().device;
    limits.rows = limits.logit_rows = kReadoutRows;
    auto state = std::make_unique<DeviceState<Value>>(state_.config, limits, false, false);
    std::vector<int32_t> indices;
    for (int r = 0; r < kReadoutRows; ++r) indices.push_back(r);
    upload(state->logit_rows.data(), indices.data(), indices.size() * sizeof(int32_t), state->stream.get());
    fill_zero(state->x.data(), state->x.bytes(), state->stream.get());  // and the padding of its rows
    readout_ = std::move(state);
    return *readout_;
  }

  struct Graph {
    size_t rows = 0;           // rows of the decode step
    void* recorded = nullptr;  // owned by the session; null until the key's second use
    uint64_t used = 0;         // the value of uses_ at its last use
  };

  // The body that repeat() is running or recording.
  struct Body {
    bool active = false;
    std::span<const Row> rows;
    int steps = 0;
  };

  void* stream() const { return state_.stream.get(); }
  int64_t token_stride() const { return slots_.limits().context + 1; }
  void enter() const { use_device(slots_.limits().device); }
  SlotsView view() const { return {slot_states_.data(), tokens_.data(), token_stride()}; }

  bool is_new(uint64_t key, size_t rows) const {
    const auto known = graphs_.find(key);
    if (known == graphs_.end()) return true;
    if (known->second.rows != rows)
      fail("repeat: key ", key, " stands for bodies of ", known->second.rows, " rows, found ", rows);
    return false;
  }

  Graph& graph_of(uint64_t key, size_t rows) {
    Graph& graph = graphs_.try_emplace(key, Graph{rows, nullptr, 0}).first->second;
    graph.used = ++uses_;
    if (graphs_.size() > kMostGraphs) {
      const auto oldest = std::ranges::min_element(graphs_, {}, [](const auto& one) { return one.second.used; });
      wait(stream());
      if (oldest->second.recorded) release_graph(oldest->second.recorded);
      graphs_.erase(oldest);
    }
    return graph;
  }

  void check_body(std::span<const Row> rows) {
    const auto same = [](const Row& a, const Row& b) { return a.slot == b.slot && a.token == b.token && a.logits; };
    if (++body_.steps > 1) fail("repeat: a body takes one step, this one takes another");
    if (!std::ranges::equal(rows, body_.rows, same)) fail("repeat: a body takes the rows that repeat() was given");
  }

  void run_body(std::span<const Row> rows, void (*body)(void*), void* arg) {
    struct Reset {
      Body& body;
      ~Reset() { body = {}; }
    } reset{body_};
    body_ = {true, rows, 0};
    body(arg);
    if (body_.steps != 1) fail("repeat: a body takes one step, this one takes none");
  }

  void* record(std::span<const Row> rows, void (*body)(void*), void* arg) {
    const Range range("record");
    begin_capture(stream());
    capturing_ = true;
    try {
      run_body(rows, body, arg);
    } catch (...) {
      capturing_ = false;
      abandon_capture(stream());
      throw;
    }
    capturing_ = false;
    return end_capture(stream());
  }

  void set_body_slots(std::span<const Row> rows) {
    for (size_t first = 0; first < rows.size(); first += GivenSlots::kMost) {
      const size_t count = std::min<size_t>(rows.size() - first, GivenSlots::kMost);
      GivenSlots given{static_cast<int32_t>(first), static_cast<int32_t>(count), {}};
      for (size_t i = 0; i < count; ++i) given.slots[i] = rows[first + i].slot;
      launch({"set_slots", {1, 1, 1}, kStepThreads, 0, state_.kernels}, set_slots_kernel, given, body_slots_.data());
    }
  }

  // Enqueues the assignment of positions and tokens to a body's rows. Returns how many need logits: all of them.
  int assign_sampled(int count) {
    const Range range("assign_positions");
    launch({"assign_sampled", {divided_up(count, kStepThreads), 1, 1}, kStepThreads, 0, state_.kernels},
           assign_sampled_kernel, body_slots_.data(), count, view(), state_.config.V, state_.rows.data(),
           state_.logit_rows.data(), keys_.data());
    return count;
  }

  // Enqueues the assignment of positions and tokens to any rows. Returns how many need logits.
  int assign_positions(std::span<const Row> rows) {
    const Range range("assign_positions");
    int logit_rows = 0;
    for (size_t first = 0; first < rows.size(); first += GivenRows::kMost) {
      GivenRows given{static_cast<int32_t>(first),
                      static_cast<int32_t>(std::min<size_t>(rows.size() - first, GivenRows::kMost)),
                      {}};
      for (int i = 0; i < given.count; ++i) {
        const Row& row = rows[first + i];
        const bool follows = i > 0 && given.rows[i - 1].slot == row.slot;
        given.rows[i] = {row.slot, row.token, follows ? given.rows[i - 1].offset + 1 : 0,
                         row.logits ? logit_rows++ : -1};
      }
      launch({"assign_positions", {1, 1, 1}, kStepThreads, 0, state_.kernels}, assign_positions_kernel, given, view(),
             state_.config.V, state_.rows.data(), state_.logit_rows.data(), keys_.data());
    }
    return logit_rows;
  }

  void forward(const DeviceStep& step) {
    StepRanges ranges(state_.config.L);
    gpt2_forward(ops_, weights_, state_, step, [&](Op op, int layer) {
      if (tap_.wants(op)) call_tap(tap_, op, layer, state_, step, tap_scratch_);
      if (op == Op::norm_qkv && tap_.wants(Op::attention_weights))
        show_attention_weights(tap_, layer, state_, step, tap_scratch_);
      ranges.wrote(op, layer);
    });
  }

  Traits traits_;
  Slots slots_;  // the host's record of the slots
  StepPlanner planner_;
  CudaOps<Value> ops_;
  DeviceState<Value> state_;
  DeviceWeights<Value> weights_;
  Array<RowKey> keys_;            // (logit_rows)
  Array<int32_t> tokens_;         // (S, context + 1)
  Array<float> logprobs_;         // (S, context + 1)
  Array<SlotState> slot_states_;  // (S)
  Array<int32_t> body_slots_;     // (S) slots of the body's rows, which replays read
  std::map<uint64_t, Graph> graphs_;
  uint64_t uses_ = 0;
  Body body_;
  bool capturing_ = false;
  Downloads downloads_;
  TapScratch tap_scratch_, readout_values_;
  std::unique_ptr<DeviceState<Value>> readout_;  // made when it is first needed
  SessionTap tap_;
  StepTimes* times_ = nullptr;
};

}  // namespace gpt2run::cuda
