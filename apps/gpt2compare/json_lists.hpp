// Numbers and lists as the JSON of gpt2compare's reports has them.
#pragma once
#include <cmath>
#include <string_view>

#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

// JSON has no infinity, so it is written as a text that Python's float() accepts. NaN is written as null.
inline void add(JsonWriter& json, std::string_view key, double value) {
  if (std::isinf(value)) return json.field(key, value > 0 ? "inf" : "-inf");
  json.raw_field(key, json::real_text(value));
}

// Writes a list, with write(element) for each element.
template <class Elements, class Write>
void add_list(JsonWriter& json, std::string_view key, const Elements& elements, const Write& write) {
  json.key(key);
  json.begin_list();
  for (const auto& element : elements) write(element);
  json.end_list();
}

// Writes a list of objects; write(element) writes the fields of each.
template <class Elements, class Write>
void add_objects(JsonWriter& json, std::string_view key, const Elements& elements, const Write& write) {
  add_list(json, key, elements, [&](const auto& element) {
    json.begin_object();
    write(element);
    json.end_object();
  });
}

}  // namespace gpt2run
