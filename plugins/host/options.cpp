// Parses option values, checks their ranges, and finds the nearest name for an unknown one.
#include "host/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "gpt2run/sdk/edit_distance.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

// Parses a whole text as a number. out_of_range, unless null: set to whether it is a number that T cannot hold.
template <class T>
std::optional<T> parse_number(std::string_view text, bool* out_of_range = nullptr) {
  T value{};
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (out_of_range) *out_of_range = code == std::errc::result_out_of_range;
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<bool> parse_flag(std::string_view text) {
  for (const char* yes : {"on", "true", "yes", "1"})
    if (text == yes) return true;
  for (const char* no : {"off", "false", "no", "0"})
    if (text == no) return false;
  return std::nullopt;
}

template <class T>
std::string shortest(T value) {
  char buffer[32];
  const auto [end, code] = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// A range such as "[0, 1]" or "(0, inf)". A bracket includes its end, a parenthesis does not. An empty range contains
// every number.
struct Interval {
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  bool low_included = true, high_included = true;

  static std::optional<Interval> parse(std::string_view text) {
    if (text.empty()) return Interval{};
    const size_t comma = text.find(',');
    if (text.size() < 5 || comma == text.npos || !std::strchr("[(", text.front()) || !std::strchr("])", text.back()))
      return std::nullopt;
    const auto low = parse_number<double>(trimmed(text.substr(1, comma - 1)));
    const auto high = parse_number<double>(trimmed(text.substr(comma + 1, text.size() - comma - 2)));
    if (!low || !high || !(*low <= *high)) return std::nullopt;
    return Interval{*low, *high, text.front() == '[', text.back() == ']'};
  }

  bool contains(double x) const {
    return (low_included ? x >= low : x > low) && (high_included ? x <= high : x < high);
  }
};

// What other programs call the types, samplers and layouts that are here, in the form of usual().
constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"float32", "fp32"},
    {"float", "fp32"},
    {"single", "fp32"},
    {"f32", "fp32"},
    {"32", "fp32"},
    {"float16", "fp16"},
    {"half", "fp16"},
    {"f16", "fp16"},
    {"16", "fp16"},
    {"bfloat16", "bf16"},
    {"bfloat", "bf16"},
    {"brain", "bf16"},
    {"i8", "int8"},
    {"q8", "int8"},
    {"q8_0", "int8"},
    {"8bit", "int8"},
    {"int_8", "int8"},
    {"i4", "int4"},
    {"q4", "int4"},
    {"q4_0", "int4"},
    {"4bit", "int4"},
    {"int_4", "int4"},
    {"q8", "q8_0"},
    {"int8", "q8_0"},
    {"top_p", "nucleus"},
    {"topp", "nucleus"},
    {"multinomial", "nucleus"},
    {"sample", "nucleus"},
    {"random", "nucleus"},
    {"temperature", "nucleus"},
    {"greedy", "argmax"},
    {"max", "argmax"},
    {"topk", "top_k"},
    {"minp", "min_p"},
    {"typical_p", "typical"},
    {"repeat_penalty", "repetition_penalty"},
    {"penalty", "repetition_penalty"},
    {"hf", "huggingface"},
    {"transformers", "huggingface"},
    {"safetensors", "huggingface"},
    {"pytorch", "torch"},
    {"pt", "torch"},
    {"nanogpt", "torch"},
    {"tf", "tensorflow"},
    {"llama", "gguf"},
    {"llama.cpp", "gguf"},
    {"llm.c", "llmc"},
    {"json", "jsonl"},
    {"txt", "text"},
    {"stdout", "text"},
    {"ids", "tokens"},
    {"none", "null"},
};

// A name in small letters and with underscores.
std::string usual(std::string_view name) {
  std::string text = normal_name(name);
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  return text;
}

// How many letters may differ for one name to have been meant by another: a third of them, but no short name is nearly
// any other.
size_t most_different(std::string_view name) {
  const size_t dashes = std::min(name.find_first_not_of('-'), name.size());
  const size_t letters = name.size() - std::max(dashes, name.rfind('.') + 1);
  return letters < 2 ? 0 : letters < 4 ? 1 : std::max<size_t>(2, letters / 3);
}

}  // namespace

std::vector<std::string> choices_of(std::string_view range) {
  std::vector<std::string> choices;
  for (size_t bar = 0; bar != range.npos; range.remove_prefix(bar == range.npos ? 0 : bar + 1)) {
    bar = range.find('|');
    choices.emplace_back(range.substr(0, bar));
  }
  return choices;
}

std::string normal_name(std::string_view name) {
  std::string normal(name);
  std::replace(normal.begin(), normal.end(), '-', '_');
  return normal;
}

std::string nearest_name(std::string_view name, std::span<const std::string> names) {
  constexpr size_t kLongest = 200;
  if (name.size() > kLongest) return {};
  const std::string wanted = usual(name);
  const auto named = [&](std::string_view ours) {
    return std::ranges::find_if(names, [&](const std::string& one) { return normal_name(one) == ours; });
  };
  for (const auto& [theirs, ours] : kOtherNames)
    if (const auto found = named(ours); theirs == wanted && found != names.end()) return *found;
  std::string best;
  size_t best_distance = most_different(name) + 1;
  for (const std::string& candidate : names) {
    const size_t distance = edit_distance(wanted, normal_name(candidate));
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best;
}

OptionValues::OptionValues(std::string owner, std::span<const OptionSpec> specs)
    : owner_(std::move(owner)), specs_(specs) {
  values_.reserve(specs.size());
  for (const OptionSpec& spec : specs) {
    try {
      values_.push_back(parse(spec, spec.fallback, "the default"));
    } catch (const UsageError& error) {
      fail(owner_, ": option ", spec.key, ": ", error.what());
    }
  }
}

size_t OptionValues::index_of(std::string_view key) const {
  const std::string wanted = normal_name(key);
  for (size_t i = 0; i < specs_.size(); ++i)
    if (wanted == specs_[i].key) return i;
  fail(owner_, ": no option ", key, " is declared");
}

bool OptionValues::declares(std::string_view key) const {
  const std::string wanted = normal_name(key);
  return std::any_of(specs_.begin(), specs_.end(), [&](const OptionSpec& spec) { return wanted == spec.key; });
}

bool OptionValues::is_flag(std::string_view key) const {
  return specs_[index_of(key)].type == std::string_view("bool");
}

OptionValues::Value OptionValues::parse(const OptionSpec& spec, std::string_view text, std::string_view origin) const {
  const std::string_view type = spec.type, range = spec.range;
  const auto refuse = [&](std::string_view expected, const std::string& hint = "") {
    usage_error(origin, ": expected ", expected,
                range.empty()    ? ""
                : type == "enum" ? " "
                                 : " in ",
                range, ", found ", in_quotes(text), hint);
  };
  Value value;
  value.shown = text;
  if (type == "int" || type == "real") {
    const auto interval = Interval::parse(range);
    if (!interval) fail(owner_, ": option ", spec.key, ": its range \"", range, "\" cannot be read");
    if (type == "int") {
      const auto number = parse_number<int64_t>(text);
      if (!number || !interval->contains(static_cast<double>(*number))) refuse("a whole number");
      value.integer = *number;
      value.real = static_cast<double>(*number);
      value.shown = shortest(*number);
    } else {
      bool out_of_range = false;
      const auto number = parse_number<double>(text, &out_of_range);
      if (out_of_range) refuse("a number that a double can hold");
      if (!number || !std::isfinite(*number) || !interval->contains(*number)) refuse("a number");
      value.real = *number;
      value.shown = shortest(*number);
    }
  } else if (type == "bool") {
    const auto flag = parse_flag(text);
    if (!flag) refuse("on or off");
    value.flag = *flag;
    value.shown = *flag ? "on" : "off";
  } else if (type == "enum") {
    const std::vector<std::string> choices = choices_of(range);
    if (std::ranges::find(choices, text) == choices.end()) {
      const std::string nearest = nearest_name(text, choices);
      refuse("one of", nearest.empty() ? "" : ": did you mean " + in_quotes(nearest) + "?");
    }
  } else if (type != "text") {
    fail(owner_, ": option ", spec.key, ": unknown type \"", type, "\"; int, real, bool, text and enum exist");
  }
  return value;
}

void OptionValues::set(std::string_view key, std::string_view text, std::string_view origin) {
  const size_t i = index_of(key);
  values_[i] = parse(specs_[i], text, origin);
  values_[i].given = true;
}

void OptionValues::set_default(std::string_view key, std::string_view text) {
  const size_t i = index_of(key);
  values_[i] = parse(specs_[i], text, owner_ + "." + specs_[i].key);
}

bool OptionValues::given(std::string_view key) const { return values_[index_of(key)].given; }
const std::string& OptionValues::shown(std::string_view key) const { return values_[index_of(key)].shown; }

const OptionValues::Value& OptionValues::typed(const char* key, std::string_view type, std::string_view other) const {
  const size_t i = index_of(key);
  if (type != specs_[i].type && other != specs_[i].type)
    fail(owner_, ": option ", key, " is declared as ", specs_[i].type, " and read as ", type);
  return values_[i];
}

double OptionValues::real(const char* key) const { return typed(key, "real", "int").real; }
int64_t OptionValues::integer(const char* key) const { return typed(key, "int").integer; }
bool OptionValues::flag(const char* key) const { return typed(key, "bool").flag; }
std::string_view OptionValues::text(const char* key) const { return typed(key, "text", "enum").shown; }

}  // namespace gpt2run
