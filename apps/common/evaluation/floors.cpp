// Measures the noise floor by running variations of an instance in lockstep with it.
#include "common/evaluation/floors.hpp"

#include <algorithm>

#include "common/evaluation/contracts.hpp"
#include "common/evaluation/lockstep.hpp"
#include "common/pipeline/explain.hpp"
#include "common/program/interrupt.hpp"
#include "common/ranks/ranked_items.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kSlots = 4, kSlot = 2;

// How many targets `reference` computes in a few seconds, at one multiplication per nanosecond.
int64_t targets_of_reference(const ModelConfig& config, int64_t asked) {
  constexpr int64_t kProducts = 2'000'000'000, kLeast = 8;
  return std::min(asked, std::max(kLeast, kProducts / step_elements(config)));
}

// Sequences for the other slots: the same tokens in other orders, each with another length.
std::vector<std::vector<int32_t>> neighbours_of(const Window& window) {
  std::vector<std::vector<int32_t>> neighbours;
  const auto size = std::ssize(window.tokens);
  for (int32_t n = 1; n < kSlots; ++n) {
    std::vector<int32_t> tokens(window.tokens.rbegin(), window.tokens.rend());
    std::rotate(tokens.begin(), tokens.begin() + size * n / kSlots, tokens.end());
    tokens.resize(static_cast<size_t>(std::max<std::ptrdiff_t>(2, size - 5 * n)));
    neighbours.push_back(std::move(tokens));
  }
  return neighbours;
}

class FloorMeter {
 public:
  FloorMeter(PluginHost& host, Instance& instance, std::span<const Window> windows, const FloorPlan& plan)
      : host_(host), instance_(instance), plan_(plan), meter_(plan.overlap) {
    const ModelConfig& config = instance.checkpoint->config();
    slow_ = first_targets(windows, targets_of_reference(config, plan.targets));
    windows_ = is_reference(*instance.chosen) ? slow_ : first_targets(windows, plan.targets);
    for (const Window& window : windows_) longest_ = std::max(longest_, static_cast<int32_t>(window.tokens.size()));
  }

  std::vector<FloorPart> measure() {
    const BoundPlugin& own = *instance_.chosen;
    const int32_t others = plan_.one_thread ? 2 : 1;
    add("neighbours in " + std::to_string(kSlots - 1) + " other slots", own, windows_, kChunk, plan_.threads, true);
    add("token by token", own, windows_, 1, plan_.threads, false);
    if (own.plugin->space == Space::host)
      add(others == 1 ? "1 thread" : "2 threads", own, windows_, kChunk, others, false);
    if (BoundPlugin portable = own; choose_portable(portable))
      add("isa=portable", portable, windows_, kChunk, plan_.threads, false);
    const std::string contract = contract_of(instance_);
    if (contract.empty() || is_reference(own) || !host_.find(Kind::precision, kReference, Space::host)) return parts_;
    const BoundPlugin reference = reference_with(host_, contract, "--floor");
    add(to_text(reference.spec), reference, slow_, kChunk, plan_.threads, false);
    return parts_;
  }

 private:
  static bool choose_portable(BoundPlugin& chosen) {
    for (const OptionSpec& spec : chosen.values.specs()) {
      if (spec.key != std::string_view("isa") || chosen.values.shown("isa") == "portable") continue;
      if (std::string_view(spec.range).find("portable") == std::string_view::npos) continue;
      chosen.values.set("isa", "portable", "--floor");
      return true;
    }
    return false;
  }

  void add(const std::string& what, const BoundPlugin& other, std::span<const Window> windows, int32_t chunk,
           int32_t threads, bool beside) {
    const Limits limits = teacher_forcing_limits(longest_, chunk, threads, plan_.device, beside ? kSlots : 1);
    Instance varied = open_instance(other, *instance_.checkpoint, limits);
    if (!is_reference(other) && contract_of(varied) != contract_of(instance_))
      return;  // not only another order of sums
    RowReader ref(instance_.name, *instance_.session, kChunk);
    RowReader test(what, *varied.session, chunk, beside ? kSlot : 0);
    TokenMetrics series;
    for (const Window& window : windows) {
      const std::vector<std::vector<int32_t>> neighbours = neighbours_of(window);
      if (beside) test.forced().surround({neighbours.begin(), neighbours.end()});
      compare(ref, {&test, 1}, window, 0, meter_, [&](size_t, const TargetPosition& place, const RowDivergence& row) {
        end_if_asked(plan_.ranks, " while the floor of ", instance_.name, " was measured");
        series.add(place, row);
      });
    }
    FloorPart part{instance_.name, what, std::ssize(series.positions), {}};
    for (int m = 0; m < kMetrics; ++m)
      part.deviations[m] = mean_deviation(series, static_cast<Metric>(m), series.size());
    parts_.push_back(std::move(part));
  }

  PluginHost& host_;
  Instance& instance_;
  const FloorPlan& plan_;
  DivergenceMeter meter_;
  std::vector<Window> windows_, slow_;
  int32_t longest_ = 0;
  std::vector<FloorPart> parts_;
};

}  // namespace

std::vector<FloorPart> floor_of(PluginHost& host, Instance& instance, std::span<const Window> windows,
                                const FloorPlan& plan) {
  return FloorMeter(host, instance, windows, plan).measure();
}

void gather_floors(Ranks& ranks, std::vector<std::vector<FloorPart>>& floors) {
  if (ranks.size() == 1) return;
  std::string own;
  for (size_t i = 0; i < floors.size(); ++i) {
    if (!ranks.owns(i)) continue;
    append_value(own, floors[i].size());
    for (const FloorPart& part : floors[i]) {
      append_text(own, part.instance), append_text(own, part.what);
      append_value(own, part.targets), append_value(own, part.deviations);
    }
  }
  const std::vector<std::string> all = gather(ranks, std::move(own));
  std::vector<std::string_view> left(all.begin(), all.end());
  for (size_t i = 0; ranks.is_root() && i < floors.size(); ++i) {
    std::string_view& bytes = left[ranks.owner(i)];
    floors[i].resize(read_value<size_t>(bytes));
    for (FloorPart& part : floors[i]) {
      part.instance = read_string(bytes), part.what = read_string(bytes);
      part.targets = read_value<int64_t>(bytes);
      part.deviations = read_value<std::array<double, kMetrics>>(bytes);
    }
  }
}

std::array<double, kMetrics> floor_of(std::span<const FloorPart> parts) {
  std::array<double, kMetrics> floor{};
  for (const FloorPart& part : parts)
    for (int m = 0; m < kMetrics; ++m) floor[m] = std::max(floor[m], part.deviations[m]);
  return floor;
}

bool is_below(const TokenMetrics& series, Metric metric, std::span<const FloorPart> parts) {
  return std::ranges::any_of(parts, [&](const FloorPart& part) {
    const size_t count = static_cast<size_t>(part.targets);
    return mean_deviation(series, metric, count) <= part.deviations[static_cast<size_t>(metric)];
  });
}

}  // namespace gpt2run
