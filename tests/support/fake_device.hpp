// A fake device in Space::test. Its memory faults when the host touches it, its stream runs late, and Session::repeat
// replays what one call of the body has enqueued, in this repeat() or in an earlier one with the same key. So a caller
// that reads too early, counts or branches fails here as it would on a GPU. The header needs only the SDK, so that it
// can also be compiled into a plugin outside of this tree.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <new>

#include "gpt2run/sdk/reference.hpp"

namespace gpt2run::test {

// The stream behind LogitBatch::stream. Enqueued work runs later, in order, and is the only code that may touch device
// memory.
struct FakeStream {
  virtual void enqueue(std::function<void()> work) = 0;

 protected:
  ~FakeStream() = default;
};

// Pages that can be accessed only between open() and close().
class FakeMemory {
 public:
  explicit FakeMemory(size_t bytes) : bytes_((bytes + 4095) / 4096 * 4096) {
    base_ = static_cast<char*>(mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    close();
  }
  ~FakeMemory() { munmap(base_, bytes_); }
  FakeMemory(const FakeMemory&) = delete;

  void open() { mprotect(base_, bytes_, PROT_READ | PROT_WRITE); }
  void close() { mprotect(base_, bytes_, PROT_NONE); }

  // Returns consecutive arrays, 64-byte aligned. Throws std::bad_alloc beyond what the constructor was given.
  template <class T>
  T* take(size_t count) {
    T* array = reinterpret_cast<T*>(base_ + used_);
    used_ += (count * sizeof(T) + 63) / 64 * 64;
    if (used_ > bytes_) throw std::bad_alloc();
    return array;
  }

 private:
  size_t bytes_, used_ = 0;
  char* base_;
};

// Counts of a FakeSession.
struct FakeCounts {
  int waits = 0, bodies = 0, replays = 0, steps = 0;  // steps: forward passes that ran
  int64_t rows = 0;
};

template <Ops O>
class FakeSession final : public Session, private FakeStream {
 public:
  FakeSession(std::shared_ptr<O> ops, const Checkpoint& checkpoint, const Limits& limits)
      : ops_(std::move(ops)),
        slots_(checkpoint.config(), limits),
        weights_(ops_->load(checkpoint)),
        state_(checkpoint.config(), limits),
        memory_(4096 + 64 * 8 + limits.logit_rows * (state_.stride * 2 * sizeof(float) + sizeof(RowKey)) +
                limits.slots * ((limits.context + 1) * 8 + sizeof(Start) + 8 + 64)) {
    const size_t logits = limits.logit_rows * state_.stride, table = size_t(limits.slots) * (limits.context + 1);
    float* rows = memory_.take<float>(logits);
    layout_ = {rows,
               limits.keep_raw ? memory_.take<float>(logits) : rows,
               state_.stride,
               limits.logit_rows,
               state_.config.V,
               limits.slots,
               memory_.take<RowKey>(limits.logit_rows),
               memory_.take<int32_t>(table),
               memory_.take<float>(table),
               limits.context + 1,
               Space::test,
               0,
               static_cast<FakeStream*>(this)};
    lengths_ = memory_.take<int32_t>(limits.slots);
    starts_ = memory_.take<Start>(limits.slots);
    body_slots_ = memory_.take<int32_t>(limits.slots);
  }

  FakeCounts counts;

  const Traits& traits() const override { return traits_; }
  LogitBatch layout() const override { return layout_; }

  void start(int slot, const Start& start) override {
    refuse_during_replay("start");
    slots_.start(slot, start);
    enqueue([=, this] {
      lengths_[slot] = start.keep, starts_[slot] = start;
      if (slot == start.from) return;
      const int64_t to = slot * layout_.token_stride, from = start.from * layout_.token_stride;
      state_.copy_cache(slot, start.from, start.keep);
      std::copy_n(layout_.tokens + from, start.keep, layout_.tokens + to);
      std::copy_n(layout_.logprobs + from, start.keep, layout_.logprobs + to);
    });
  }

  LogitBatch step(std::span<const Row> rows) override {
    refuse_during_replay("step");
    std::vector<Row> copy(rows.begin(), rows.end());
    const bool in_body = recording_;
    if (in_body) {
      if (++recording_->steps > 1) fail("repeat: a body takes one step, this one takes another");
      const auto same = [](const Row& a, const Row& b) { return a.slot == b.slot && a.token == b.token; };
      if (!std::ranges::equal(copy, recording_->rows, same)) fail("repeat: a body takes the rows that it was given");
    } else {
      slots_.check(rows);
      slots_.advance(rows);
    }
    LogitBatch batch = layout_;
    batch.rows =
        static_cast<int32_t>(std::count_if(rows.begin(), rows.end(), [](const Row& row) { return row.logits; }));
    enqueue([this, in_body, copy = std::move(copy)]() mutable {
      // A replay uses the slots of this repeat(), not those that were recorded.
      for (size_t i = 0; in_body && i < copy.size(); ++i) copy[i].slot = body_slots_[i];
      forward(copy);
    });
    return batch;
  }

  void score(const LogitBatch& batch) override {
    enqueue([batch] {
      for (int r = 0; r < batch.rows; ++r) {
        const int64_t at = batch.keys[r].slot * batch.token_stride + batch.keys[r].position;
        const int32_t id = batch.tokens[at];
        if (id >= 0 && id < batch.vocab)
          batch.logprobs[at] = static_cast<float>(log_probability(batch.raw + r * batch.stride, batch.vocab, id));
      }
    });
  }

  void repeat(int n, uint64_t key, std::span<const Row> rows, void (*body)(void*), void* arg) override {
    refuse_during_replay("repeat");
    slots_.check_repeat(rows, n);
    if (!graphs_.contains(key)) {
      Graph graph;
      graph.rows.assign(rows.begin(), rows.end());
      recording_ = &graph;
      ++counts.bodies;
      try {
        body(arg);
        if (graph.steps != 1) fail("repeat: a body takes one step, this one takes none");
      } catch (...) {
        recording_ = nullptr;
        throw;
      }
      recording_ = nullptr;
      graphs_[key] = std::move(graph);
    }
    const Graph& graph = graphs_[key];
    if (graph.rows.size() != rows.size()) fail("repeat: the key stands for ", graph.rows.size(), " rows");
    counts.replays += n;
    for (int i = 0; i < n; ++i) slots_.check(rows), slots_.advance(rows);
    enqueue([this, &graph, n, slots = std::vector<Row>(rows.begin(), rows.end())] {
      for (size_t i = 0; i < slots.size(); ++i) body_slots_[i] = slots[i].slot;
      replaying_ = true;
      for (int i = 0; i < n; ++i) {
        for (const auto& work : graph.work) work();
      }
      replaying_ = false;
    });
  }

  void read(const void* from, void* host, size_t bytes) override {
    run();
    memory_.open();
    std::memcpy(host, from, bytes);
    memory_.close();
  }

  void read(std::span<const Transfer> pieces) override {
    run();
    memory_.open();
    for (const Transfer& piece : pieces) std::memcpy(piece.to, piece.from, piece.bytes);
    memory_.close();
  }
  using Session::write;

  void write(const void* host, void* to, size_t bytes) override {
    std::vector<char> copy(static_cast<const char*>(host), static_cast<const char*>(host) + bytes);
    enqueue([copy = std::move(copy), to] { std::memcpy(to, copy.data(), copy.size()); });
  }

 private:
  struct Graph {
    std::vector<std::function<void()>> work;
    std::vector<Row> rows;  // of its one step, as recorded
    int steps = 0;
  };

  void refuse_during_replay(const char* what) const {
    if (replaying_) fail(what, " during a replay");
  }

  void enqueue(std::function<void()> work) override {
    if (recording_) {
      recording_->work.push_back(std::move(work));
    } else {
      queue_.push_back(std::move(work));
    }
  }

  void run() {
    if (!queue_.empty()) ++counts.waits;
    memory_.open();
    for (; !queue_.empty(); queue_.pop_front()) queue_.front()();
    memory_.close();
  }

  // Runs on the device. It reads and advances the lengths there, so that a replay advances too.
  void forward(const std::vector<Row>& rows) {
    std::vector<HostRow> placed;
    std::vector<int32_t> logit_rows;
    auto* keys = const_cast<RowKey*>(layout_.keys);
    for (const Row& row : rows) {
      const int32_t position = lengths_[row.slot]++;
      int32_t& token = layout_.tokens[row.slot * layout_.token_stride + position];
      if (row.token != kSampled) token = row.token;
      if (row.logits) {
        const Start& start = starts_[row.slot];
        keys[logit_rows.size()] = {start.sequence, start.seed, row.slot, position + 1, start.prompt, start.shift};
        logit_rows.push_back(static_cast<int32_t>(placed.size()));
      }
      placed.push_back({row.slot, position, token >= 0 && token < layout_.vocab ? token : 0});
    }
    gpt2_forward(*ops_, weights_, state_, {placed, logit_rows});
    std::copy_n(state_.logits.data(), logit_rows.size() * state_.stride, layout_.logits);
    if (layout_.raw != layout_.logits)
      std::copy_n(state_.logits.data(), logit_rows.size() * state_.stride, const_cast<float*>(layout_.raw));
    ++counts.steps, counts.rows += std::ssize(rows);
  }

  std::shared_ptr<O> ops_;
  Traits traits_{true, true, true, true, 0};
  Slots slots_;
  typename O::Weights weights_;
  typename O::State state_;
  FakeMemory memory_;
  LogitBatch layout_;
  int32_t* lengths_;     // (S)
  Start* starts_;        // (S)
  int32_t* body_slots_;  // (S) slots of the body that is replayed
  std::deque<std::function<void()>> queue_;
  std::map<uint64_t, Graph> graphs_;
  Graph* recording_ = nullptr;
  bool replaying_ = false;
};

// Enqueues a sampler's work in host form, where a CUDA sampler would launch a kernel.
inline void enqueue_on(const LogitBatch& batch, std::function<void(const LogitBatch&)> work) {
  static_cast<FakeStream*>(batch.stream)->enqueue([batch, work = std::move(work)] { work(batch); });
}

}  // namespace gpt2run::test
