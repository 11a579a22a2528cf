// generate(): runs all prompts of a run through an Engine. It makes the samples of each prompt, calls the sinks in the
// order that they ask for, and returns one summary. sequence = prompt index x samples + sample. The same prompts, seed
// and samplers give the same tokens for any batch, slot and thread count where the session's Traits promise it.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/engine/engine.hpp"
#include "gpt2run/engine/prompt.hpp"
#include "gpt2run/engine/taps.hpp"

namespace gpt2run {

struct Generation {
  int32_t n_gen = 64;      // total length, prompt included; used if max_new < 0
  int32_t max_new = -1;    // tokens to generate per sequence
  int32_t samples = 1;     // sequences per prompt; they share the prompt's keys and values
  int32_t batch = 1;       // most slots
  int32_t chunk = 512;     // most prompt rows per step
  int32_t replay = 16;     // most tokens per wait on a device; always 1 in host memory
  int32_t threads = 0;     // as Limits::threads
  int32_t device = 0;      // as Limits::device
  bool recompute = false;  // compute all tokens again for every new one, without the KV cache; samples share nothing
  bool ignore_eos = false;
  int32_t context_shift = 0;            // as Request::context_shift
  std::vector<std::string> stops = {};  // a text ends where one of these first appears; they need a tokenizer
  uint64_t seed = 42;
  int32_t rank = 0, ranks = 1;  // processes that divide the prompts: this one takes prompt i if i % ranks == rank
  double open_seconds = 0;      // time that opening the session took, for the summary
  std::string precision = {};   // the name of the session's precision, for messages
};

struct Summary {
  int64_t sequences = 0, prompt_tokens = 0, new_tokens = 0;
  int64_t steps = 0;        // forward passes, replayed ones included
  int64_t rows = 0;         // rows of all forward passes
  int64_t replayed = 0;     // forward passes that were replays
  int64_t cut = 0;          // sequences that ended with Reason::context
  double open_seconds = 0;  // time to open the session, not part of `seconds`
  double seconds = 0;       // time of the whole run
  double first_token_seconds = 0;
  std::string to_json() const;  // one JSON object with these names as keys, `cut` left out
};

// The union of what the sinks want.
uint32_t all_wants(std::span<Sink* const> sinks);

// The limits of a session for this run. Throws Error for a prompt that does not fit, with its number and both lengths.
Limits plan_limits(const ModelConfig&, std::span<const Prompt>, const Generation&, std::span<Sink* const>,
                   const Chain&);

// Runs all prompts.
//   session: opened with plan_limits(...).
//   chain: in the session's memory space, or in host memory behind a device; logits and tokens are then copied.
//   tokenizer: null if there are only token ids.
//   manifest: JSON for the sinks' begin().
//   progress: called after every step with the numbers of finished and of all sequences; may be empty.
//   tap: sees what operations write before the sinks with kTaps do, and may change it; may be null.
// With a tap or such sinks no sequence shares the keys and values of another, so that each has rows of its own. With
// such sinks and no new tokens, a prompt's last token is fed too.
// Throws Error, among others for a session without taps if one is needed. The sinks' end() is then not called, so that
// they leave no half-written files.
Summary generate(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
                 const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation,
                 std::string_view manifest, const std::function<void(int64_t done, int64_t total)>& progress = {},
                 RowTap* tap = nullptr);

}  // namespace gpt2run
