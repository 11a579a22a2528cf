// Parses and checks the settings of a synthetic model.
#include "spec.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include "../common/limits.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::synthetic {
namespace {

constexpr std::string_view kKeys =
    "L, C, H, F, V, T, end_of_text, epsilon, activation, scale_by_layer, std, outliers, tied, seed";
constexpr std::string_view kSizes = "124M, 355M, 774M, 1558M";

using Settings = std::map<std::string, std::string, std::less<>>;

struct Size {
  std::string_view name;
  int32_t L, C, H;
};

std::optional<Size> find_size(std::string_view name) {
  constexpr Size sizes[] = {
      {"124M", 12, 768, 12}, {"355M", 24, 1024, 16}, {"774M", 36, 1280, 20}, {"1558M", 48, 1600, 25}};
  for (const Size& size : sizes) {
    if (size.name == name) return size;
  }
  return std::nullopt;
}

template <class T>
T read_number(std::string_view where, std::string_view key, const Settings& settings, T fallback) {
  const auto found = settings.find(key);
  if (found == settings.end()) return fallback;
  const std::string& text = found->second;
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(where, ": ", key, ": expected a number in range, found ", in_quotes(text));
  }
  return value;
}

bool read_flag(std::string_view where, std::string_view key, const Settings& settings, bool fallback) {
  const int64_t value = read_number<int64_t>(where, key, settings, fallback);
  if (value != 0 && value != 1) fail(where, ": ", key, ": expected 0 or 1, found ", value);
  return value;
}

Activation read_activation(std::string_view where, const Settings& settings) {
  const auto found = settings.find("activation");
  if (found == settings.end()) return Activation::gelu_tanh;
  for (int i = 0; i < kActivationCount; ++i)
    if (found->second == name_of(static_cast<Activation>(i))) return static_cast<Activation>(i);
  fail(where, ": activation: expected gelu_tanh, gelu_erf, relu, silu or tanh, found ", in_quotes(found->second));
}

// Splits a text into settings. A size at the start sets L, C and H, which later settings may override.
Settings split(std::string_view text, std::string_view where) {
  Settings settings;
  std::string given = ", ";
  for (bool first = true; !text.empty(); first = false) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(item.size() + (item.size() < text.size()));
    const std::string key(item.substr(0, item.find('=')));
    if (const auto size = find_size(item); size && first) {
      settings = {{"L", std::to_string(size->L)}, {"C", std::to_string(size->C)}, {"H", std::to_string(size->H)}};
      continue;
    }
    if (key.size() == item.size()) {
      fail(where, ": expected a size (", kSizes, ") at the start or key=value, found ", in_quotes(item));
    }
    if (key.empty() || (", " + std::string(kKeys) + ", ").find(", " + key + ", ") == std::string::npos) {
      fail(where, ": expected one of ", kKeys, ", found ", in_quotes(key));
    }
    if (given.find(", " + key + ", ") != std::string::npos) fail(where, ": ", key, ": expected once, found twice");
    given += key + ", ";
    settings[key] = item.substr(key.size() + 1);
  }
  return settings;
}

// The number of elements of all weights, which is below 2^60 by the limits of the settings.
int64_t count_weights(const ModelConfig& m, bool tied) {
  int64_t count = 0;
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && tied) continue;
    const Shape shape = shape_of(weight, m);
    count += shape.rows * shape.cols * (is_per_layer(weight) ? m.L : 1);
  }
  return count;
}

// The most elements that are accepted. Every size of GPT-2 is accepted anywhere; a larger model must fit into the
// machine's memory.
int64_t most_weights() {
  constexpr int64_t kAnywhere = int64_t{1} << 31;
  return std::max(kAnywhere, int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / int64_t{sizeof(float)});
}

void check_total(std::string_view where, const ModelConfig& m, bool tied) {
  const int64_t count = count_weights(m, tied), most = most_weights();
  if (count > most) {
    fail(where, ": expected at most ", most, " weights (what fits this machine's memory, or 2147483648), found ",
         count);
  }
}

}  // namespace

Spec parse_spec(std::string_view text) {
  const std::string_view where = text.substr(0, 200);
  if (!text.starts_with(kPrefix) || text.size() == kPrefix.size()) {
    fail("expected synthetic: and a size (", kSizes, ") or settings (", kKeys, "), found ", in_quotes(where));
  }
  const Settings settings = split(text.substr(kPrefix.size()), where);
  const auto size = [&](std::string_view key, int64_t fallback, int64_t most) {
    return loaders::checked_size(where, key, read_number(where, key, settings, fallback), most);
  };
  ModelConfig m{};
  m.L = size("L", 12, loaders::kMaxLayers);
  m.C = size("C", 768, loaders::kMaxWidth);
  m.H = size("H", 12, loaders::kMaxWidth);
  m.F = size("F", int64_t{4} * m.C, loaders::kMaxWidth);
  m.V = size("V", 50257, kMaxVocab);
  m.T = size("T", 1024, loaders::kMaxContext);
  loaders::check_heads(where, "H", m);
  const auto end_of_text = read_number<int64_t>(where, "end_of_text", settings, m.V - 1);
  m.end_of_text = loaders::checked_token(where, "end_of_text", end_of_text, m.V);
  m.epsilon = loaders::checked_epsilon(where, "epsilon", read_number(where, "epsilon", settings, 1e-5));
  m.activation = read_activation(where, settings);
  m.scale_by_layer = read_flag(where, "scale_by_layer", settings, false);
  const double deviation = read_number(where, "std", settings, 0.02);
  if (!(deviation >= 1e-6 && deviation <= 100)) fail(where, ": std: expected 1e-06 to 100, found ", deviation);
  const auto seed = read_number<uint64_t>(where, "seed", settings, 1);
  const bool tied = read_flag(where, "tied", settings, true);
  m.tied_head = tied;
  check_total(where, m, tied);
  return {m, seed, deviation, read_flag(where, "outliers", settings, false), tied};
}

}  // namespace gpt2run::synthetic
