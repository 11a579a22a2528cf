// All prompts of a run through an Engine: samples of each prompt, the sinks in the order that they ask for, one
// summary. sequence = prompt index x samples + sample. The same prompts, seed and samplers give the same tokens for any
// batch, slot and thread count wherever the session's Traits declare it.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/engine/engine.hpp"
#include "gpt2run/engine/prompt.hpp"

namespace gpt2run {

struct Generation {
  int32_t n_gen = 64;      // total length, prompt included (the original's meaning); used when max_new < 0
  int32_t max_new = -1;    // tokens to generate per sequence
  int32_t samples = 1;     // sequences per prompt; they share the prompt's KV
  int32_t batch = 1;       // slots at most
  int32_t chunk = 512;     // prompt rows per step at most
  int32_t repeat = 16;     // tokens per wait on a device at most; in host memory it is always 1
  int32_t threads = 0;     // as Limits::threads
  int32_t device = 0;      // as Limits::device
  bool recompute = false;  // a full pass for every token, as if there were no KV cache; samples share nothing
  bool ignore_eos = false;
  std::vector<std::string> stops = {};  // generation ends before the first of these; the stop text is not released
  uint64_t seed = 42;
  int32_t rank = 0, ranks = 1;  // processes that share the prompts out: prompt i is for the one with i % ranks == rank
  double open_seconds = 0;      // what opening the session took: goes into the summary
};

struct Summary {
  int64_t sequences = 0, prompt_tokens = 0, new_tokens = 0;
  int64_t steps = 0;        // forward passes, replayed ones included
  int64_t rows = 0;         // rows that went through them
  int64_t replayed = 0;     // passes made by Session::repeat
  double open_seconds = 0;  // opening the session, which the run's seconds do not include
  double seconds = 0;       // whole run
  double first_token_seconds = 0;
  std::string to_json() const;  // one JSON object, keys as above
};

// Everything that any of the sinks wants.
uint32_t all_wants(std::span<Sink* const> sinks);

// What the session of this run must hold. Throws Error when a prompt does not fit: names the prompt and both lengths.
Limits plan_limits(const ModelConfig&, std::span<const Prompt>, const Generation&, std::span<Sink* const>,
                   const Chain&);

// Runs all prompts. session: opened with plan_limits(...); chain: the session's space, or host behind a device (core
// copies logits and tokens); tokenizer: null when only ids can be had. manifest: JSON handed to the sinks' begin().
// progress: called after every step with finished and total sequences, may be empty. Throws Error; sinks are then left
// without end(), so that they leave nothing half-written.
Summary generate(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
                 const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation,
                 std::string_view manifest, const std::function<void(int64_t done, int64_t total)>& progress = {});

}  // namespace gpt2run
