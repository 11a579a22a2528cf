// Fields: the JSON object of a request's body, read field by field. Every refusal is an ApiError that names the field.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/json/json.hpp"

namespace gpt2run {

// A closed interval of numbers; with open_low its lower end is not part of it.
struct NumberRange {
  double low, high;
  bool open_low = false;
};

class Fields {
 public:
  // known: the names of all fields that the route has. Throws ApiError for a body that is not a JSON object, and for
  // another field, with the nearest known name.
  Fields(const std::string& body, std::span<const std::string_view> known);

  // The value of a field; nothing where it is missing or null.
  std::optional<json::Value> find(std::string_view name) const;

  // Of a field that is given; otherwise nothing. Throw ApiError for another type and for a number out of range.
  std::optional<int64_t> integer(const std::string& name, int64_t low, int64_t high) const;
  std::optional<double> real(const std::string& name, const NumberRange& range) const;
  std::optional<bool> flag(const std::string& name) const;
  std::optional<std::string> text(const std::string& name) const;

  // A text, or a list of 1 to `most` texts. may_be_empty: also of none.
  std::vector<std::string> texts(const std::string& name, size_t most, bool may_be_empty = false) const;
  // A list of up to `most` token ids in [0, vocabulary).
  std::vector<int32_t> ids(const std::string& name, size_t most, int32_t vocabulary) const;

 private:
  json::Document document_;
};

// A list of token ids in [0, vocabulary). Throws ApiError naming the field.
std::vector<int32_t> ids_of(const json::Value& list, const std::string& name, size_t most, int32_t vocabulary);

// True for a list whose first element is a number, or that is empty.
bool is_list_of_ids(const json::Value& value);

}  // namespace gpt2run
