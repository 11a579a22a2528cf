// What an engine is asked, and what it tells: requests, options, limits, and the listener that hears of every token.
#pragma once
#include <chrono>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/precision.hpp"
#include "gpt2run/sink.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// Samplers in one memory space. All but the last one change logits, the last one selects the token. A sampler may stand
// in several chains of one engine.
struct Chain {
  std::vector<Sampler*> samplers;  // not owned; they live as long as the Chain
  Space space = Space::host;       // the session's, or host behind a device: the engine then copies logits and tokens
  bool changes_logits = false;     // a sampler before the last one changes them
  std::string names = {};          // of all samplers, for messages; may be empty
};

using RequestId = uint64_t;  // given by submit() and never used again by the same engine

using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

struct Request {
  std::vector<int32_t> tokens;          // (P) the prompt, 1 <= P <= the model's context
  uint64_t sequence = 0, seed = 42;     // name the random stream; several requests may have the same one
  int64_t max_new = 64;                 // new tokens at most; 0: the prompt is read and nothing is chosen
  bool ignore_eos = false;              // true: no end-of-text id ends the text
  std::vector<std::string> stops = {};  // texts that end it, none empty; they need a tokenizer
  uint32_t wants = 0;                   // kLogprob, kLogits, kPrompt: a part of EngineOptions::wants
  bool end_logits = false;              // with max_new 0: the prompt's last token is read too, Listener::end_logits
  int32_t priority = 0;                 // greater ones get a slot first, equal ones in the order of submit()
  uint64_t group = 0;                   // not 0: equal prompts of a group are read once and share their keys and values
  Deadline deadline = kNoDeadline;      // from then on it is cancelled
  std::shared_ptr<const Chain> chain = {};  // null: the engine's
  // Of each sampler of the chain, null: as it was created. Empty: all of them. Alive until the request has a slot.
  std::vector<std::shared_ptr<const Options>> options = {};
};

enum class Reason : uint8_t { length, context, end_of_text, stop, cancelled, error };
constexpr const char* name_of(Reason reason) {
  constexpr const char* names[] = {"length", "context", "end_of_text", "stop", "cancelled", "error"};
  return static_cast<size_t>(reason) < 6 ? names[static_cast<size_t>(reason)] : "unknown reason";
}

// What happens to requests. Called inside step() by the thread that steps; of the engine only submit() and cancel() may
// be called from here. What a listener throws leaves step().
struct Listener {
  virtual void start(RequestId) {}  // the request has a slot

  // As Sink::token; `sequence` is the request's. One request's tokens come in the order of positions; after a replay
  // several of one request follow each other. Pointers are valid during the call.
  virtual void token(RequestId, const TokenEvent&) = 0;

  virtual void end_logits(RequestId, const float*) {}  // (vocab) raw, behind the prompt's last token

  // Once for every request, and the last that is heard of it. tail: text that was held back until now. error: one line,
  // or empty.
  virtual void finish(RequestId, Reason, std::string_view tail, std::string_view error) = 0;

  virtual void pass(const PassEvent&) {}  // with kTimes, before the tokens of the step

 protected:
  ~Listener() = default;
};

struct EngineOptions {
  int32_t chunk = 512;              // rows of one prompt in a step; where a prompt is cut depends on the request only
  int32_t replay = 16;              // tokens between two waits on a device; in host memory it is always 1
  bool recompute = false;           // a full forward pass for every token; nothing is shared
  bool reuse = false;               // prompts without kPrompt take over the longest prefix that any slot still holds
  uint32_t wants = 0;               // the most that a request may want; with kTimes nothing is replayed
  int64_t most_waiting = 0;         // requests without a slot, 0: any number
  int64_t most_waiting_tokens = 0;  // tokens of their prompts together, 0: any number
};

// What submit() throws when the waiting requests reach their bound.
struct QueueFull : Error {
  using Error::Error;
};

// What a session must hold for `slots` requests at a time, of up to `context` positions. Throws Error.
Limits engine_limits(const EngineOptions&, int32_t slots, int32_t context, bool changes_logits);

// Why decode steps are not replayed, as a clause; "" where they may be. chain: the memory space of the samplers.
std::string_view why_not_replayed(Space session, Space chain, uint32_t wants);

struct EngineCounts {
  int64_t requests = 0, prompt_tokens = 0, new_tokens = 0;
  int64_t cached_tokens = 0;                  // of the prompts' tokens: taken over from a slot, not read
  int64_t steps = 0, rows = 0, replayed = 0;  // forward passes, replayed ones included; their rows; the replayed ones
};

// Whose a row of the running step is.
struct StepRow {
  RequestId request;
  int32_t position;
  bool logits;  // the tensor of norm_logits has these rows only
};

}  // namespace gpt2run
