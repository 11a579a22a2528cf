// Checks of types and ranges.
#include "gpt2serve/fields.hpp"

#include <algorithm>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2serve/api_error.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

json::Document parsed(const std::string& body) {
  try {
    return json::parse(body, "the body");
  } catch (const Error& error) {
    throw ApiError(400, "", "", error.what());
  }
}

[[noreturn]] void refuse_type(const std::string& name, const std::string& expected, const json::Value& found) {
  refuse(name, "expected ", expected, ", found ", found.description());
}

std::string shown(const NumberRange& range) {
  std::string text = range.open_low ? "(" : "[";
  append_number(text, range.low);
  text += ", ";
  append_number(text, range.high);
  return text + "]";
}

}  // namespace

Fields::Fields(const std::string& body, std::span<const std::string_view> known) : document_(parsed(body)) {
  const json::Value root = document_.root();
  if (root.type() != json::Type::object)
    throw ApiError(400, "", "", "the body: expected a JSON object, found " + root.description());
  for (const json::Member& member : root.members()) {
    if (std::ranges::find(known, member.key) != known.end()) continue;
    const std::string name = printable(member.key, 60);
    const std::string nearest = nearest_name(name, std::vector<std::string>(known.begin(), known.end()));
    refuse(name, "this server does not support the field",
           nearest.empty() ? std::string() : "; the nearest is " + nearest);
  }
}

std::optional<json::Value> Fields::find(std::string_view name) const {
  const std::optional<json::Value> found = document_.root().find(name);
  return found && !found->is_null() ? found : std::nullopt;
}

std::optional<int64_t> Fields::integer(const std::string& name, int64_t low, int64_t high) const {
  const auto found = find(name);
  if (!found) return std::nullopt;
  const std::optional<int64_t> number = found->as_integer();
  if (!number || *number < low || *number > high)
    refuse_type(name, "a whole number in [" + std::to_string(low) + ", " + std::to_string(high) + "]", *found);
  return number;
}

std::optional<double> Fields::real(const std::string& name, const NumberRange& range) const {
  const auto found = find(name);
  if (!found) return std::nullopt;
  const std::optional<double> number = found->as_number();
  const bool is_in_range =
      number && *number <= range.high && (range.open_low ? *number > range.low : *number >= range.low);
  if (!is_in_range) refuse_type(name, "a number in " + shown(range), *found);
  return number;
}

std::optional<bool> Fields::flag(const std::string& name) const {
  const auto found = find(name);
  if (!found) return std::nullopt;
  const std::optional<bool> value = found->as_flag();
  if (!value) refuse_type(name, "true or false", *found);
  return value;
}

std::optional<std::string> Fields::text(const std::string& name) const {
  const auto found = find(name);
  if (!found) return std::nullopt;
  const std::optional<std::string_view> value = found->as_text();
  if (!value) refuse_type(name, "a text", *found);
  return std::string(*value);
}

std::vector<std::string> Fields::texts(const std::string& name, size_t most, bool may_be_empty) const {
  const auto found = find(name);
  if (!found) return {};
  if (const auto text = found->as_text()) return {std::string(*text)};
  const std::string expected =
      std::string("a text, or a list of ") + (may_be_empty ? "up" : "1") + " to " + std::to_string(most) + " texts";
  if (found->type() != json::Type::list) refuse_type(name, expected, *found);
  const auto elements = found->elements();
  if ((elements.empty() && !may_be_empty) || elements.size() > most)
    refuse(name, "expected ", expected, ", found a list of ", elements.size());
  std::vector<std::string> texts;
  for (const json::Value& element : elements) {
    const auto text = element.as_text();
    if (!text) refuse_type(name, expected, element);
    texts.emplace_back(*text);
  }
  return texts;
}

std::vector<int32_t> Fields::ids(const std::string& name, size_t most, int32_t vocabulary) const {
  const auto found = find(name);
  return found ? ids_of(*found, name, most, vocabulary) : std::vector<int32_t>();
}

std::vector<int32_t> ids_of(const json::Value& list, const std::string& name, size_t most, int32_t vocabulary) {
  if (list.type() != json::Type::list) refuse_type(name, "a list of token ids", list);
  const auto elements = list.elements();
  if (elements.size() > most) refuse(name, "expected at most ", most, " token ids, found ", elements.size());
  std::vector<int32_t> ids;
  ids.reserve(elements.size());
  for (const json::Value& element : elements) {
    const auto id = element.as_integer();
    if (!id || *id < 0 || *id >= vocabulary)
      refuse_type(name, "token ids in [0, " + std::to_string(vocabulary) + ")", element);
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

bool is_list_of_ids(const json::Value& value) {
  if (value.type() != json::Type::list) return false;
  const auto elements = value.elements();
  return elements.empty() || elements.front().type() == json::Type::number;
}

}  // namespace gpt2run
