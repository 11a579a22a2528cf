// A session on a device: the host's book of slots, launches in stream order, and graphs of the loop's body.
#pragma once
#include <chrono>
#include <map>

#include "gpt2run/sdk/slots.hpp"
#include "ops.hpp"
#include "ranges.hpp"
#include "tap.hpp"

namespace gpt2run::cuda {

template <class Value>
class CudaSession final : public Session {
 public:
  CudaSession(const Checkpoint& checkpoint, const Limits& limits, Overflow overflow, Invariant invariant,
              double tolerance, Epilogue epilogue = Epilogue::exact)
      : traits_(traits_of(invariant, tolerance, sizeof(Value))),
        book_(checkpoint.config(), limits),
        planner_(invariant, limits),
        ops_(needs_library(invariant, limits) ? open_blaslt() : nullptr, epilogue),
        state_(checkpoint.config(), limits, needs_library(invariant, limits)),
        weights_(WeightLoader<Value>(checkpoint, overflow, stream()).load(epilogue)),
        keys_(limits.logit_rows),
        tokens_(size_t(limits.slots) * token_stride()),
        logprobs_(tokens_.size()),
        lengths_(limits.slots),
        sequences_(limits.slots) {
    fill_zero(tokens_.data(), tokens_.bytes(), stream()), fill_zero(logprobs_.data(), logprobs_.bytes(), stream());
    fill_zero(lengths_.data(), lengths_.bytes(), stream());
    fill_zero(sequences_.data(), sequences_.bytes(), stream());
    wait(stream());
  }

  ~CudaSession() override {
    try {
      wait(stream());         // no graph and no memory goes while the device uses it
    } catch (const Error&) {  // whoever waited last has heard of it
    }
    for (const auto& [key, graph] : graphs_)
      if (graph.recorded) release_graph(graph.recorded);
  }

  const Traits& traits() const override { return traits_; }

  LogitBatch layout() const override {
    const Limits& limits = book_.limits();
    return {state_.logits.data(),
            limits.keep_raw ? state_.raw.data() : state_.logits.data(),
            state_.stride,
            limits.logit_rows,
            state_.config.V,
            keys_.data(),
            tokens_.data(),
            logprobs_.data(),
            token_stride(),
            limits.seed,
            kSpace,
            limits.device,
            stream()};
  }

  void start(int slot, uint64_t sequence, int from, int keep) override {
    enter();
    book_.start(slot, sequence, from, keep);
    launch({"start", {1, 1, 1}, 1, 0, stream()}, start_kernel, slots(), slot, keep, sequence);
    if (slot == from || keep == 0) return;
    state_.copy_cache(slot, from, keep);
    const int64_t to = slot * token_stride(), source = from * token_stride();
    copy(tokens_.data() + to, tokens_.data() + source, keep * sizeof(int32_t), stream());
    copy(logprobs_.data() + to, logprobs_.data() + source, keep * sizeof(float), stream());
  }

  LogitBatch step(std::span<const Row> rows) override {
    const Range range("step", static_cast<int64_t>(rows.size()));
    enter();
    book_.check(rows);
    if (graph_) remember(rows);
    const auto begin = std::chrono::steady_clock::now();
    LogitBatch batch = layout();
    batch.rows = place(rows);
    const auto placed = std::chrono::steady_clock::now();
    if (!capturing_) book_.advance(rows);
    forward(planner_.plan(rows));
    if (times_) {
      using Milliseconds = std::chrono::duration<float, std::milli>;
      wait(stream());
      times_->copy_to_device = Milliseconds(placed - begin).count();
      times_->forward = Milliseconds(std::chrono::steady_clock::now() - placed).count();
    }
    return batch;
  }

  void score(const LogitBatch& batch) override {
    const Range range("score");
    enter();
    if (batch.rows == 0) return;
    launch({"score", {batch.rows, 1, 1}, kStepThreads, Shared::bytes_of<double>(kStepThreads), stream()}, score_kernel,
           batch);
  }

  // A new key's first body runs as it is, which also loads every kernel; what is left is recorded and replayed.
  void repeat(int n, uint64_t key, void (*body)(void*), void* arg) override {
    enter();
    if (n <= 0) return;
    if (times_) return Session::repeat(n, key, body, arg);  // its waits cannot be recorded
    const auto [found, fresh] = graphs_.try_emplace(key);
    Graph& graph = found->second;
    if (fresh) {
      try {
        run_body(&graph, body, arg);
      } catch (...) {
        graphs_.erase(found);
        throw;
      }
      --n;
    }
    if (n > 0 && !graph.recorded) record(graph, body, arg);
    for (; n > 0; --n) {
      const Range range("replay");
      book_.check(graph.rows);
      book_.advance(graph.rows);
      replay(graph.recorded, stream());
    }
  }

  void read(const void* from, void* host, size_t bytes) override {
    enter();
    download(from, host, bytes, stream());
  }
  void write(const void* host, void* to, size_t bytes) override {
    enter();
    upload(to, host, bytes, stream());
  }

  bool tap(Tap* tap) override {
    tap_ = tap;
    return true;
  }
  void times(StepTimes* times) override { times_ = times; }

 private:
  struct Graph {
    std::vector<Row> rows;     // of its step
    void* recorded = nullptr;  // owned by the session
  };

  void* stream() const { return state_.stream.get(); }
  int64_t token_stride() const { return book_.limits().context + 1; }
  void enter() const { use_device(book_.limits().device); }
  SlotsView slots() const { return {lengths_.data(), sequences_.data(), tokens_.data(), token_stride()}; }

  void remember(std::span<const Row> rows) {
    for (const Row& row : rows)
      if (row.token != kSampled) fail("repeat: a body may only take sampled tokens, slot ", row.slot, " has another");
    graph_->rows.assign(rows.begin(), rows.end());
  }

  void run_body(Graph* graph, void (*body)(void*), void* arg) {
    struct Reset {
      Graph*& graph;
      ~Reset() { graph = nullptr; }
    } reset{graph_};
    graph_ = graph;
    body(arg);
  }

  void record(Graph& graph, void (*body)(void*), void* arg) {
    const Range range("record");
    begin_capture(stream());
    capturing_ = true;
    try {
      run_body(&graph, body, arg);
    } catch (...) {
      capturing_ = false;
      abandon_capture(stream());
      throw;
    }
    capturing_ = false;
    graph.recorded = end_capture(stream());
  }

  // Enqueues positions and tokens of all rows; returns how many ask for logits.
  int place(std::span<const Row> rows) {
    const Range range("place");
    int wanted = 0;
    for (size_t first = 0; first < rows.size(); first += GivenRows::kMost) {
      GivenRows given{static_cast<int32_t>(first),
                      static_cast<int32_t>(std::min<size_t>(rows.size() - first, GivenRows::kMost)),
                      {}};
      for (int i = 0; i < given.count; ++i) {
        const Row& row = rows[first + i];
        const bool follows = i > 0 && given.rows[i - 1].slot == row.slot;
        given.rows[i] = {row.slot, row.token, follows ? given.rows[i - 1].offset + 1 : 0, row.logits ? wanted++ : -1};
      }
      launch({"place", {1, 1, 1}, kStepThreads, 0, stream()}, place_kernel, given, slots(), state_.config.V,
             state_.rows.data(), state_.wanted.data(), keys_.data());
    }
    if (times_) wait(stream());
    return wanted;
  }

  void forward(const DeviceStep& step) {
    PassRanges ranges(state_.config.L);
    gpt2_forward(ops_, weights_, state_, step, [&](Op op, int layer) {
      if (tap_) show(*tap_, op, layer, state_, step, taps_);
      ranges.wrote(op, layer);
    });
  }

  Traits traits_;
  Slots book_;
  StepPlanner planner_;
  CudaOps<Value> ops_;
  DeviceState<Value> state_;
  DeviceWeights<Value> weights_;
  Array<RowKey> keys_;         // (logit_rows)
  Array<int32_t> tokens_;      // (S, context + 1)
  Array<float> logprobs_;      // (S, context + 1)
  Array<int32_t> lengths_;     // (S)
  Array<uint64_t> sequences_;  // (S)
  std::map<uint64_t, Graph> graphs_;
  Graph* graph_ = nullptr;  // whose body runs
  bool capturing_ = false;
  TapScratch taps_;
  Tap* tap_ = nullptr;
  StepTimes* times_ = nullptr;
};

}  // namespace gpt2run::cuda
