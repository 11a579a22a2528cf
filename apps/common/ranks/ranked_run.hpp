// A run on several ranks. Each rank generates for its own prompts, and rank 0 passes the events of all of them to the
// sinks, as if it had generated everything itself.
#pragma once
#include <functional>
#include <span>

#include "common/ranks/ranks.hpp"
#include "gpt2run/engine/generate.hpp"

namespace gpt2run {

// Sets this rank's share of the prompts. draws_seed: the seed is random, so all ranks take that of rank 0.
void set_rank_and_seed(Generation& generation, Ranks& ranks, bool draws_seed);

// Throws Error for a sink that cannot work on several ranks: what operations write stays with the rank that computes
// it. name: the sink's.
void check_sink(const Ranks& ranks, const Sink& sink, const std::string& name);

// Runs generate() on every rank; every rank must call it.
//
// run(sinks, progress): calls generate() with these arguments. sinks: those of the run; only rank 0 calls them, the
// others only ask for wants(). progress: called at rank 0 with the counts of all ranks, elsewhere with this rank's own.
// most_ahead: how many tokens rank 0 accepts before their sequence's turn, at about a hundred bytes each. Beyond that
// it receives only from the rank whose turn it is, and the others wait.
//
// Returns this rank's own summary, at rank 0 that of the whole run: counts are summed, and the time is that of rank 0.
using GenerateInto =
    std::function<Summary(std::span<Sink* const> sinks, const std::function<void(int64_t, int64_t)>& progress)>;
constexpr int64_t kMostAhead = 1 << 20;
Summary generate_on(Ranks& ranks, const GenerateInto& run, std::span<Sink* const> sinks, const Tokenizer* tokenizer,
                    std::span<const Prompt> prompts, const Generation& generation,
                    const std::function<void(int64_t, int64_t)>& progress, int64_t most_ahead = kMostAhead);

}  // namespace gpt2run
