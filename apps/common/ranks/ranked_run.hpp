// One run on several ranks: each generates for its prompts, and rank 0 hands what all of them tell to the real sinks,
// as if it had made everything itself.
#pragma once
#include <functional>
#include <span>

#include "common/ranks/ranks.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// What a rank runs by itself: its prompts, and where the seed is drawn, that of rank 0.
void share_out(Generation& generation, Ranks& ranks, bool draws_seed);

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

}  // namespace gpt2run
