// Reads JSON and refuses what an attacker would send.
#include "json.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::huggingface {
namespace {

constexpr int kMaxDepth = 16;

}  // namespace

std::string shown(const Json& value) {
  if (value.is_array() && value.size() > 16) return "a list of " + std::to_string(value.size());
  if (value.is_object() && value.size() > 16) return "an object of " + std::to_string(value.size());
  constexpr size_t kMost = 100;
  return printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), kMost);
}

Json parse_object(const std::string& where, std::span<const char> text) {
  if (text.size() > kMostJson) fail(where, ": expected at most ", kMostJson, " bytes of JSON, found ", text.size());
  if (const auto nul = std::ranges::find(text, '\0'); nul != text.end())  // ends the parser
    fail(where, ": expected JSON, found a NUL at byte ", nul - text.begin() + 1);
  std::vector<std::set<std::string>> keys(kMaxDepth + 2);  // of the open object at each depth
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > kMaxDepth) fail(where, ": expected JSON of at most ", kMaxDepth, " levels, found more");
    if (event == Json::parse_event_t::object_start) keys[depth + 1].clear();
    if (event == Json::parse_event_t::key && !keys[depth].insert(value.get<std::string>()).second) {
      fail(where, ": expected every key once, found ", in_quotes(value.get<std::string>()), " twice");
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(text.begin(), text.end(), check);
  } catch (const Json::parse_error& error) {
    fail(where, ": expected JSON, found something else at byte ", error.byte);
  } catch (const Json::exception&) {
    fail(where, ": expected JSON, found a number out of range");
  }
  if (!json.is_object()) fail(where, ": expected a JSON object, found ", shown(json));
  return json;
}

}  // namespace gpt2run::huggingface
