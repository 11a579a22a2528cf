// Engine: continuous batching. Requests arrive and leave between two steps, and share the slots of one session. The
// engine alone builds ragged batches, refills free slots, shares prefixes, decides when a request ends, finds stop
// strings and holds back incomplete UTF-8. The order in which sinks get sequences is decided by Delivery.
//
// If the session's Traits declare `batch` (and `prefill`, when `reuse` is on), a request gets the same bits as when it
// runs alone, whatever arrives, ends or is cancelled at the same time.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include "gpt2run/engine/request.hpp"

namespace gpt2run {

class EngineLoop;  // core/engine/loop.hpp

// One thread at a time, except for check(). Memory grows with the requests that wait or run, not with those that ended.
class Engine {
 public:
  // session: opened with `limits`, and not used by others while requests run. The session, the model's
  // configuration, the tokenizer and the listener must outlive the engine. Throws Error if the limits cannot hold one
  // chunk together with slots - 1 decoding rows, and for a chain whose memory space does not fit the session's.
  Engine(Session& session, const ModelConfig& config, const Limits& limits, const EngineOptions& options,
         std::shared_ptr<const Chain> chain, const Tokenizer* tokenizer, Listener& listener);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws Error for a request that can never run here, with the field, its value and the limit. Any thread.
  void check(const Request&) const;

  // Checks the request as check() does, and queues it for a slot. A chain that the engine has not seen is prepared, and
  // kept as long as some request uses it. Throws QueueFull if the queue is full: EngineOptions::most_waiting and
  // most_waiting_tokens.
  RequestId submit(Request request);

  // The next step() ends the request with Reason::cancelled before its forward pass, which can already use the slot.
  // Until then the listener gets no more calls for this request. Unknown ids, and those of requests that have ended,
  // are ignored.
  void cancel(RequestId id);

  // Ends cancelled requests, gives free slots to the requests that were waiting when it was called, and then runs one
  // forward pass for all running requests. On a device it runs up to `replay` passes at once, as replays, where every
  // row is a sampled one and no result is needed in between. Returns false if nothing waits or runs any more.
  // A fault of a single request (no token can be chosen, an id outside [0, V), refused options) ends that request with
  // Reason::error. Everything else is thrown, and then only reset() and the destructor may be called.
  bool step();

  // Drops all requests without calling finish(), forgets prefixes, and prepares the samplers of the engine's own chain
  // again. Needed after step() has thrown, and after somebody else has used the session or the samplers while nothing
  // ran.
  void reset();

  bool tap(Tap* tap);                     // as Session::tap; nothing is replayed while a tap is set
  std::span<const StepRow> rows() const;  // inside a Tap: the owner of each row of its tensors, in order

  size_t waiting() const;  // requests without a slot
  size_t running() const;  // requests with a slot
  const EngineCounts& counts() const;
  std::string_view why_not_replayed() const;  // for the engine's own chain: a clause, or "" if steps may be replayed

 private:
  std::unique_ptr<EngineLoop> loop_;
};

}  // namespace gpt2run
