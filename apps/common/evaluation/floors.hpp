// The noise floor: how far a precision diverges from itself when something is varied that its type does not determine,
// such as the order of sums. A divergence below the floor is accidental rounding, not an effect of the type.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "common/evaluation/texts.hpp"
#include "common/evaluation/token_metrics.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// The divergence of one variation from the instance as it is.
struct FloorPart {
  std::string instance;                     // the name of the instance
  std::string what;                         // the variation, such as "token by token" or "reference:type=bf16"
  int64_t targets;                          // how many targets were measured, from the first
  std::array<double, kMetrics> deviations;  // their mean deviations, indexed by Metric
};

// How floors are measured.
struct FloorPlan {
  int64_t targets;  // how many, from the first; slow instances measure fewer
  int32_t overlap, threads, device;
  bool one_thread;  // whether the instance runs on a single thread, so that the variation of threads uses two
  Ranks& ranks;     // checked at every target for an interrupt or the error of another rank
};

// Measures an instance against variations of itself: with sequences in other slots; one token at a time; with another
// number of threads (host memory only); with isa=portable where the precision has that choice, which is another order
// of sums unless the instance has the same; and with `reference` of the type, where the type is known, whose sums are
// in double. instance: open, with a context for the longest window. Throws Error.
std::vector<FloorPart> floor_of(PluginHost& host, Instance& instance, std::span<const Window> windows,
                                const FloorPlan& plan);

// Collects at rank 0 the floors that each rank has measured: that of instance i by rank i mod size. Every rank must
// call it.
void gather_floors(Ranks& ranks, std::vector<std::vector<FloorPart>>& floors);

// The floor: the largest deviation of all variations, indexed by Metric; 0 if there are none.
std::array<double, kMetrics> floor_of(std::span<const FloorPart> parts);

// Whether a test is below the floor: on the same targets, its mean deviation from the reference is at most that of one
// of the variations from its instance.
bool is_below(const TokenMetrics& series, Metric metric, std::span<const FloorPart> parts);

}  // namespace gpt2run
