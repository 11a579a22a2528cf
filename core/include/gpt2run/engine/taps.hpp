// Taps of a run, which know whose rows they see, and several of them as the one tap of an engine.
#pragma once
#include <functional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/engine/engine.hpp"

namespace gpt2run {

// A tap that is told whose rows it sees. One thread at a time.
struct RowTap {
  // As Tap::wants.
  virtual bool wants(const char* op) const = 0;

  // As Tap::tensor. values: (owners.size(), cols), which it may change; it then returns true. A context shift and
  // recomputing feed tokens again, so that rows of the same owner come again.
  virtual bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) = 0;

 protected:
  ~RowTap() = default;
};

// The end of a session's model, for a tap that sees what the session computes.
class SessionReadout final : public Readout {
 public:
  // precision: its name, for messages. The session must outlive the object.
  SessionReadout(Session& session, std::string precision) : session_(session), precision_(std::move(precision)) {}

  void logits(const float* x, int rows, float* logits) const override {
    if (!session_.readout(x, rows, logits))
      fail("precision ", precision_, ": it computes no logits of values from inside the model");
  }

 private:
  Session& session_;
  std::string precision_;
};

// Calls a list of RowTaps, in the order of the list: each sees what those before it have changed. Set it by
// Engine::tap() once the list is complete.
class EngineTap final : public Tap {
 public:
  // The engine must outlive the calls of tensor(). sequence_of: the sequence of a request that runs.
  EngineTap(const Engine& engine, std::function<uint64_t(RequestId)> sequence_of)
      : engine_(engine), sequence_of_(std::move(sequence_of)) {}

  void add(RowTap* tap) { members_.push_back({tap, {}}); }  // not owned
  bool empty() const { return members_.empty(); }

  bool wants(const char* op) const override;

  // Throws Error if the session shows other rows than the engine gave it.
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override;

 private:
  struct Member {
    RowTap* tap;
    std::set<std::string, std::less<>> ops;  // those that it wants, as it has said
  };

  const Engine& engine_;
  std::function<uint64_t(RequestId)> sequence_of_;
  mutable std::vector<Member> members_;
  std::vector<TensorRow> owners_;
};

}  // namespace gpt2run
