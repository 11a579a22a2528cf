// Islands: which part of the network does the damage of a number format. The test is repeated with one part after
// another back in FP32. What the divergence loses by that is what the part has cost.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/evaluation/instances.hpp"

namespace gpt2run {

// The network is divided in three ways: by operations, by layers, and by kinds of values. `detail` are the operations
// and kinds of the one layer that does half of the damage or more, if there is one.
enum class Division : uint8_t { operation, layer, values, detail };

constexpr const char* name_of(Division division) {
  constexpr const char* names[] = {"operation", "layer", "values", "detail"};
  return names[static_cast<size_t>(division)];
}

// One part, and the test with this part in FP32.
struct Island {
  Division division;
  std::string part;  // a term of the option `exact`, such as "norm_logits", "layer3" or "weights"
  double kl;         // the mean KL(reference || test) that remains
  double restored;   // 1 - kl / that of the whole test; NaN where the whole test has none
};

struct Islands {
  std::string test;           // the name of the test, as `reference` computes it where it has no option `exact` itself
  double kl;                  // of the whole test
  std::vector<Island> parts;  // by `restored`, the largest first
};

// A part that restores this much or more is named.
inline constexpr double kHalf = 0.5;

// The test as a precision with the option `exact`: itself if it has this option, else `reference` with its contract.
// test: open. Throws Error if it has neither the option nor a contract.
BoundPlugin island_base_of(PluginHost& host, const Instance& test);

// The base with one more part in FP32; an empty part is none.
BoundPlugin with_exact(const BoundPlugin& base, const std::string& part);

// The parts of the first three divisions, and those of one layer.
std::vector<Island> islands_of(int layers);
std::vector<Island> islands_in(const std::string& layer);

// Fills in kl and restored. kl: of each island.
void measure(std::span<Island> islands, std::span<const double> kl, double whole);

// The largest `restored` first; parts that restore the same stay in order, and NaN comes last.
void sort_by_effect(std::span<Island> islands);

// The layer that restores most, if that is kHalf or more; else "".
std::string worst_layer(std::span<const Island> islands);

}  // namespace gpt2run
