// The types of the engine's interface: requests, options, limits, and the listener that receives every token.
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

// A chain of samplers in one memory space. All but the last change logits. The last one must be a sampler whose plugin
// says Plugin::selects; the engine cannot check that, and without it no token is chosen. A sampler may be part of
// several chains of one engine.
struct Chain {
  std::vector<Sampler*> samplers;  // not owned; they must live as long as the Chain
  Space space = Space::host;       // the session's, or host behind a device: the engine then copies logits and tokens
  // Must be true if a sampler before the last one changes logits. If it is wrongly false, log-probabilities and raw
  // logits are those of the changed logits.
  bool changes_logits = false;
  std::string names = {};  // of the samplers, for messages; may be empty
};

using RequestId = uint64_t;  // from submit(); an engine never uses one twice

using Deadline = std::chrono::steady_clock::time_point;
inline constexpr Deadline kNoDeadline = Deadline::max();

// A prompt with everything that may differ from one request to the next.
struct Request {
  std::vector<int32_t> tokens;  // (P) the prompt, 1 <= P <= the model's context
  // The random stream. Requests with the same two numbers draw the same random numbers, so independent samples of one
  // prompt need different sequences.
  uint64_t sequence = 0, seed = 42;
  int64_t max_new = 64;  // most new tokens; 0 only reads the prompt
  // Tokens to keep when the context is full, below the context's length: the last ones are read again from position 0,
  // and the request goes on. 0: it ends there with Reason::context. Not with EngineOptions::recompute.
  int32_t context_shift = 0;
  bool ignore_eos = false;                  // true: end-of-text tokens do not end the request
  std::vector<std::string> stops = {};      // the request ends where one appears; none may be empty; needs a tokenizer
  uint32_t wants = 0;                       // of kLogprob, kLogits and kPrompt; a subset of EngineOptions::wants
  bool end_logits = false;                  // only with max_new 0: Listener::end_logits gets those after the prompt
  int32_t priority = 0;                     // greater ones get a slot first, equal ones in the order of submit()
  uint64_t group = 0;                       // not 0: equal prompts of a group are read once and share keys and values
  Deadline deadline = kNoDeadline;          // the first step() after this time cancels the request
  std::shared_ptr<const Chain> chain = {};  // null: the engine's
  // Empty, or one element for each sampler of the chain. Null means the options that the sampler was created with.
  std::vector<std::shared_ptr<const Options>> options = {};
};

enum class Reason : uint8_t { length, context, end_of_text, stop, cancelled, error };
constexpr const char* name_of(Reason reason) {
  constexpr const char* names[] = {"length", "context", "end_of_text", "stop", "cancelled", "error"};
  return static_cast<size_t>(reason) < 6 ? names[static_cast<size_t>(reason)] : "unknown reason";
}

// Receives what happens to requests. It is called on the thread that calls step(). Its functions may call submit(),
// cancel() and counts() of the engine, and nothing else. step() passes on what a listener throws.
struct Listener {
  virtual void start(RequestId) {}  // the request has a slot, and EngineCounts counts its prompt and cached tokens

  // As Sink::token, with the request's `sequence`. The tokens of one request come in order of position; after a replay,
  // several of one request may come in a row. Pointers are valid during the call.
  virtual void token(RequestId, const TokenEvent&) = 0;

  virtual void end_logits(RequestId, const float*) {}  // (vocab) raw logits after the prompt's last token

  // The last call for every request. tail: text that was held back until now. error: one line, or empty.
  virtual void finish(RequestId, Reason, std::string_view tail, std::string_view error) = 0;

  virtual void step(const StepEvent&) {}  // with kTimes, before the tokens of the step

 protected:
  ~Listener() = default;
};

struct EngineOptions {
  int32_t chunk = 512;              // most rows of one prompt in a step; where a prompt is cut depends on it alone
  int32_t replay = 16;              // most tokens between two waits on a device; always 1 in host memory
  bool recompute = false;           // compute all tokens again for every new one; nothing is shared
  bool reuse = false;               // prompts without kPrompt take over the longest prefix that a slot still holds
  uint32_t wants = 0;               // the most that a request may want; kTimes prevents replays
  int64_t most_waiting = 0;         // requests without a slot, 0: no limit
  int64_t most_waiting_tokens = 0;  // tokens of their prompts in total, 0: no limit
};

// Thrown by submit() when the queue is full.
struct QueueFull : Error {
  using Error::Error;
};

// The limits of a session for `slots` requests at a time, each of up to `context` positions. Throws Error.
Limits engine_limits(const EngineOptions&, int32_t slots, int32_t context, bool changes_logits);

// A clause that says why decode steps are not replayed, or "" if they may be. chain: the samplers' memory space.
std::string_view why_not_replayed(Space session, Space chain, uint32_t wants, bool recompute);

// Totals since the engine was made.
struct EngineCounts {
  int64_t requests = 0, prompt_tokens = 0, new_tokens = 0;
  int64_t cached_tokens = 0;  // prompt tokens that were taken over from a slot instead of being fed
  // Forward passes, including replayed ones; the rows of all passes; the passes that were replays.
  int64_t steps = 0, rows = 0, replayed = 0;
};

// The owner of one row of the running step.
struct StepRow {
  RequestId request;
  int32_t position;  // in the slot
  int32_t shift;     // position + shift is the token's index in the request's text; not 0 after a context shift
  bool logits;       // the tensor of norm_logits has only the rows where this is true
  int32_t token;     // the id that is fed
};

}  // namespace gpt2run
