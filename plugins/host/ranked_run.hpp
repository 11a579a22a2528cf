// One run on several ranks: each generates for its prompts, and rank 0 hands what all of them tell to the real sinks,
// as if it had made everything itself.
#pragma once
#include <functional>
#include <span>
#include <string>

#include "gpt2run/pipeline.hpp"
#include "host/manifest.hpp"
#include "host/ranks.hpp"

namespace gpt2run {

// What a rank runs by itself: prompts shared out, a device and threads of its own where the user named none, a seed
// that was drawn at rank 0.
struct RankDefaults {
  bool device, threads, seed;  // not given
};
void share_out(Generation& generation, Ranks& ranks, RankDefaults defaults);

// Called by every rank before the run. Throws at rank 0 when another one would not run the same: other plugins, another
// model, other prompts or options. Names the rank and the line of the manifest that differs.
void check_alike(Ranks& ranks, const Manifest& manifest);

// As generate(), by every rank. run(sinks, progress): generate() with these. sinks: of rank 0, the only one that calls
// them; of the others wants() is asked. progress: of all sequences at rank 0, of its own elsewhere. most_ahead: tokens
// that rank 0 takes before their sequence's turn, beyond which it hears nobody but the rank whose turn it is; about a
// hundred bytes each. Returns at rank 0 the summary of all: counts are sums, the seconds those of rank 0.
using GenerateInto =
    std::function<Summary(std::span<Sink* const> sinks, const std::function<void(int64_t, int64_t)>& progress)>;
constexpr int64_t kMostAhead = 1 << 20;
Summary generate_on(Ranks& ranks, const GenerateInto& run, std::span<Sink* const> sinks, const Tokenizer* tokenizer,
                    std::span<const Prompt> prompts, const Generation& generation,
                    const std::function<void(int64_t, int64_t)>& progress, int64_t most_ahead = kMostAhead);

// Standard input reaches rank 0 only: all read what it has read.
void share_standard_input(Ranks& ranks);

}  // namespace gpt2run
