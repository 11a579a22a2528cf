// The parts of a network, and precisions that keep one of them in FP32.
#include "gpt2compare/islands.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/evaluation/contracts.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run {
namespace {

constexpr char kExact[] = "exact";
constexpr const char* kKinds[] = {"weights", "activations", "kv"};

}  // namespace

BoundPlugin island_base_of(PluginHost& host, const Instance& test) {
  if (test.chosen->values.declares(kExact)) return *test.chosen;
  const std::string contract = contract_of(test);
  if (contract.empty())
    fail("--islands: ", test.name, " does not say what it rounds: expected Traits::contract, the options that give ",
         kReference, " the same contract, or an option '", kExact, "' of its own");
  BoundPlugin base = reference_with(host, contract, "--islands");
  if (!base.values.declares(kExact)) fail("--islands: ", base.values.owner(), ": expected an option '", kExact, "'");
  return base;
}

BoundPlugin with_exact(const BoundPlugin& base, const std::string& part) {
  BoundPlugin bound = base;
  if (part.empty()) return bound;
  const std::string given(base.values.text(kExact));
  const std::string exact = given.empty() ? part : given + "+" + part;
  bound.values.set(kExact, exact, "--islands");
  std::erase_if(bound.spec.options, [](const auto& option) { return option.first == kExact; });
  bound.spec.options.emplace_back(kExact, exact);
  return bound;
}

std::vector<Island> islands_of(int layers) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<Island> islands;
  for (int op = 0; op < kOps; ++op)
    islands.push_back({Division::operation, name_of(static_cast<Op>(op)), kNone, kNone});
  for (int layer = 0; layer < layers; ++layer)
    islands.push_back({Division::layer, "layer" + std::to_string(layer), kNone, kNone});
  for (const char* kind : kKinds) islands.push_back({Division::values, kind, kNone, kNone});
  return islands;
}

std::vector<Island> islands_in(const std::string& layer) {
  std::vector<Island> islands;
  if (layer.empty()) return islands;
  for (Island& island : islands_of(0)) {
    if (island.part == name_of(Op::embed) || island.part == name_of(Op::norm_logits)) continue;
    island.division = Division::detail, island.part = layer + "." + island.part;
    islands.push_back(std::move(island));
  }
  return islands;
}

void measure(std::span<Island> islands, std::span<const double> kl, double whole) {
  for (size_t i = 0; i < islands.size(); ++i) {
    islands[i].kl = kl[i];
    islands[i].restored = whole > 0 ? 1 - kl[i] / whole : std::numeric_limits<double>::quiet_NaN();
  }
}

void sort_by_effect(std::span<Island> islands) {
  std::ranges::stable_sort(islands, [](const Island& a, const Island& b) {
    if (std::isnan(a.restored) || std::isnan(b.restored)) return std::isnan(b.restored) && !std::isnan(a.restored);
    return a.restored > b.restored;
  });
}

std::string worst_layer(std::span<const Island> islands) {
  const Island* worst = nullptr;
  for (const Island& island : islands)
    if (island.division == Division::layer && island.restored >= kHalf && (!worst || island.restored > worst->restored))
      worst = &island;
  return worst ? worst->part : "";
}

}  // namespace gpt2run
