// The generation loop as an object: requests arrive and leave between two steps, and share the slots of one session.
// Ragged batches, the refill of free slots, shared prefixes, ends, stop strings and the hold-back of incomplete UTF-8
// are decided here and nowhere else; the order in which sequences are delivered is Delivery's. Where the session's
// Traits declare `batch` (for `reuse` also `prefill`), a request gets the bits that it gets alone, whatever arrives,
// ends or is cancelled beside it.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "gpt2run/engine/request.hpp"

namespace gpt2run {

class EngineLoop;  // core/engine/loop.hpp

// One thread at a time, but for check(). Memory depends on the requests that wait and run, not on those that were.
class Engine {
 public:
  // session: opened with `limits`, used by nobody else while requests run. All that is named here outlives the engine.
  // Throws Error where the limits cannot take one chunk beside slots - 1 decoding rows, and for a chain in a memory
  // space that cannot follow the session's.
  Engine(Session& session, const ModelConfig& config, const Limits& limits, const EngineOptions& options,
         std::shared_ptr<const Chain> chain, const Tokenizer* tokenizer, Listener& listener);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws Error for what can never run here, with the field, both numbers and the limit. From any thread.
  void check(const Request&) const;

  // check(), then the request waits for a slot. A chain that is new here is prepared, and kept as long as a request has
  // it. Throws QueueFull where the request fits once others have left.
  RequestId submit(Request request);

  // The request finishes with Reason::cancelled before the next forward pass, in which its slot is free, and nothing
  // else is heard of it until then. Ids that are not known, or no longer, are ignored.
  void cancel(RequestId id);

  // Cancels; gives free slots to the requests that waited when it was called; then one forward pass for all that run,
  // or up to `replay` replays where every row is a sampled one and nobody looks between. False: nothing waits or runs.
  // A fault of one request (no token can be chosen, an id outside [0, V), options refused) finishes that request with
  // Reason::error. Everything else is thrown, and then only reset() and the destructor may be called.
  bool step();

  // All requests are gone without finish(), and prefixes are forgotten. After a throw of a sampler or listener, and
  // after the session was used by somebody else while nothing ran.
  void reset();

  bool tap(Tap* tap);                     // as Session::tap; nothing is replayed while one is set
  std::span<const StepRow> rows() const;  // inside a Tap: whose the rows of its tensors are, in their order

  size_t waiting() const;  // requests without a slot
  size_t running() const;  // requests with one
  const EngineCounts& counts() const;
  std::string_view why_not_replayed() const;  // of the engine's own chain: a clause, "" where steps may be replayed

 private:
  std::unique_ptr<EngineLoop> loop_;
};

}  // namespace gpt2run
