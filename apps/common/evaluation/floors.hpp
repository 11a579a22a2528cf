// The noise floor: how far a precision is from itself when only what its type does not decide is changed. What lies
// below it is rounding luck, not an effect of the type.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"
#include "common/evaluation/texts.hpp"
#include "common/evaluation/token_metrics.hpp"
#include "common/ranks/ranks.hpp"

namespace gpt2run {

// One way of computing the same, against the instance as it is.
struct FloorPart {
  std::string instance;                     // whose
  std::string what;                         // as "neighbours in 3 other slots" or "reference:type=bf16"
  int64_t targets;                          // from the first
  std::array<double, kMetrics> deviations;  // the mean over them, by Metric
};

struct FloorPlan {
  int64_t targets;  // from the first; a slow instance takes fewer
  int32_t overlap, threads, device;
  bool one_thread;  // a process that has the machine to itself would use one; the part of other threads then takes two
  Ranks& ranks;     // asked at every target whether the run has ended
};

// Neighbours in other slots; token by token; another number of threads (in host memory); another order of sums of the
// same type, which is isa=portable where the precision has that choice, and `reference` of its type, where that is
// known. instance: open, for the longest window. Throws Error.
std::vector<FloorPart> floor_of(PluginHost& host, Instance& instance, std::span<const Window> windows,
                                const FloorPlan& plan);

// Called by every rank: rank 0 gets the floors of all instances, of which each rank has measured its own, the i-th by
// rank i mod size.
void gather_floors(Ranks& ranks, std::vector<std::vector<FloorPart>>& floors);

// The largest of the parts, by Metric; 0 of none.
std::array<double, kMetrics> floor_of(std::span<const FloorPart> parts);

// No farther from the reference, on the same targets, than one of the parts from its instance.
bool is_below(const TokenMetrics& series, Metric metric, std::span<const FloorPart> parts);

}  // namespace gpt2run
