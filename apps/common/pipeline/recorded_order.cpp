// Tries the values of the option `isa`.
#include "common/pipeline/recorded_order.hpp"

#include <algorithm>
#include <new>
#include <optional>

#include "common/config/create.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

constexpr char kOption[] = "isa";

// A model with weights of zero, to open sessions that compute nothing.
class SmallestModel final : public Checkpoint {
 public:
  const ModelConfig& config() const override { return config_; }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int) const override {
    const Shape shape = shape_of(weight, config_);
    return {zeros_, Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

 private:
  ModelConfig config_{.L = 1, .H = 1, .C = 2, .F = 2, .V = 2, .T = 1, .end_of_text = -1, .epsilon = 1e-5f};
  float zeros_[12] = {};  // the largest weight is qkv_w (3C, C)
};

// The order of sums of a session of the precision. Nothing if it cannot be opened here.
std::optional<std::string> order_of(const BoundPlugin& precision) {
  constexpr Host kSilent{[](int, const char*) {}};
  constexpr Limits kLimits{1, 1, 1, 1, 1, 0, false};
  const SmallestModel model;
  try {
    return call_named(precision, "asked for its order of sums", [&] {
      const std::unique_ptr<Precision> object(
          static_cast<Precision*>(precision.plugin->create(precision.values, kSilent)));
      const auto session = object ? object->open(model, kLimits) : nullptr;
      return session ? std::optional<std::string>(session->traits().order) : std::nullopt;
    });
  } catch (const Error&) {
    return std::nullopt;
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

// The value of the option in the recorded run; nothing where the precision was another one or did not have it.
std::optional<std::string> recorded_value(const Manifest& recorded, const BoundPlugin& precision) {
  for (const RecordedPlugin& plugin : recorded.plugins) {
    if (plugin.kind != name_of(Kind::precision) || plugin.name != precision.plugin->name) continue;
    for (const RecordedOption& option : plugin.options)
      if (option.key == kOption) return option.value;
  }
  return std::nullopt;
}

}  // namespace

bool take_recorded_order(BoundPlugin& precision, const Configuration& configuration) {
  const Manifest* recorded = configuration.recorded();
  if (!recorded || recorded->order.empty() || precision.layer != Layer::file) return true;
  const auto specs = precision.values.specs();
  const auto spec = std::ranges::find_if(specs, [](const OptionSpec& one) { return one.key == std::string(kOption); });
  if (spec == specs.end() || spec->type != std::string("enum")) return true;
  const std::string own = precision.values.shown(kOption), origin = configuration.origin("config");
  if (recorded_value(*recorded, precision) != own) return true;
  const auto has_order = [&](const std::string& value) {
    BoundPlugin tried = precision;
    tried.values.set(kOption, value, origin);
    return order_of(tried) == recorded->order;
  };
  if (has_order(own)) return true;
  // What needs more of the processor, and is faster, comes last.
  std::vector<std::string> choices = choices_of(spec->range);
  std::ranges::reverse(choices);
  const auto found = std::ranges::find_if(choices, has_order);
  if (found != choices.end()) {
    precision.values.set(kOption, *found, origin);
    log_info(precision.values.owner() + ": isa " + *found + " and not " + own +
             ", for the order of sums of the recorded run, " + recorded->order);
    return true;
  }
  if (!order_of(precision)) precision.values.set(kOption, spec->fallback, origin);
  return false;
}

}  // namespace gpt2run
