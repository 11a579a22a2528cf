// The values of a tree, and their paths from the root for messages.
#include "gpt2run/json/value.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "tree.hpp"

namespace gpt2run::json {
namespace {

constexpr size_t kMaxShown = 60;  // characters of a text, number or key that messages show

// A list or an object that is being written, with the position reached in it.
struct Open {
  Items<Value> list;
  Items<Member> object;
  Items<Value>::Iterator element;
  Items<Member>::Iterator member;
  bool is_list;

  explicit Open(const Value& value)
      : list(value.elements()),
        object(value.members()),
        element(list.begin()),
        member(object.begin()),
        is_list(value.type() == Type::list) {}

  bool is_done() const { return is_list ? element == list.end() : member == object.end(); }
};

void write_scalar(JsonWriter& writer, const Value& value) {
  if (value.is_null()) return writer.value(nullptr);
  if (const auto flag = value.as_flag()) return writer.value(*flag);
  if (const auto text = value.as_text()) return writer.value(*text);
  writer.raw(value.number_text());
}

}  // namespace

template <>
Value Items<Value>::Iterator::operator*() const {
  return {*tree_, node_};
}

template <>
Items<Value>::Iterator& Items<Value>::Iterator::operator++() {
  if (--left_ > 0) node_ = tree_->next_sibling(node_);
  return *this;
}

template <>
Member Items<Member>::Iterator::operator*() const {
  return {tree_->text_of(node_), {*tree_, node_ + 1}};
}

template <>
Items<Member>::Iterator& Items<Member>::Iterator::operator++() {
  if (--left_ > 0) node_ = tree_->next_sibling(node_ + 1);
  return *this;
}

Type Value::type() const {
  switch (tree_ ? tree_->nodes[node_].kind : Kind::null) {
    case Kind::null:
      return Type::null;
    case Kind::no:
    case Kind::yes:
      return Type::boolean;
    case Kind::negative:
    case Kind::natural:
    case Kind::real:
      return Type::number;
    case Kind::text:
    case Kind::key:
      return Type::text;
    case Kind::list:
      return Type::list;
    case Kind::object:
      return Type::object;
  }
  return Type::null;
}

bool Value::is_whole() const {
  return type() == Type::number && number_text().find_first_of(".eE") == std::string::npos;
}

std::optional<bool> Value::as_flag() const {
  if (type() != Type::boolean) return std::nullopt;
  return tree_->nodes[node_].kind == Kind::yes;
}

std::optional<std::string_view> Value::as_text() const {
  if (type() != Type::text) return std::nullopt;
  return tree_->text_of(node_);
}

std::optional<int64_t> Value::as_integer() const {
  if (type() != Type::number) return std::nullopt;
  const Node& node = tree_->nodes[node_];
  if (node.kind == Kind::real || (node.kind == Kind::natural && node.word > uint64_t{INT64_MAX})) return std::nullopt;
  return static_cast<int64_t>(node.word);
}

std::optional<uint64_t> Value::as_unsigned() const {
  if (type() != Type::number || tree_->nodes[node_].kind != Kind::natural) return std::nullopt;
  return tree_->nodes[node_].word;
}

std::optional<double> Value::as_number() const {
  if (type() != Type::number) return std::nullopt;
  const Node& node = tree_->nodes[node_];
  if (node.kind == Kind::natural) return static_cast<double>(node.word);
  if (node.kind == Kind::negative) return node.word == 0 ? -0.0 : static_cast<double>(static_cast<int64_t>(node.word));
  const std::string_view text = tree_->text_of(node_);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  return code == std::errc() ? value : text.starts_with('-') ? -0.0 : 0.0;  // underflow; the parser refused overflow
}

std::string Value::number_text() const {
  if (type() != Type::number) return {};
  const Node& node = tree_->nodes[node_];
  if (node.kind == Kind::real) return std::string(tree_->text_of(node_));
  if (node.kind == Kind::natural) return std::to_string(node.word);
  return node.word == 0 ? "-0" : std::to_string(static_cast<int64_t>(node.word));
}

Items<Value> Value::elements() const {
  if (type() != Type::list) return {};
  return {*tree_, node_ + 1, tree_->nodes[node_].size};
}

Items<Member> Value::members() const {
  if (type() != Type::object) return {};
  return {*tree_, node_ + 1, tree_->nodes[node_].size};
}

std::optional<Value> Value::find(std::string_view key) const {
  const uint32_t found = type() == Type::object ? tree_->find(node_, key) : 0;
  if (found == 0) return std::nullopt;
  return Value(*tree_, found + 1);
}

Value Value::find_or_null(std::string_view key) const { return find(key).value_or(Value()); }

bool Value::flag() const {
  const auto value = as_flag();
  if (!value) refuse("true or false");
  return *value;
}

std::string Value::text() const {
  const auto value = as_text();
  if (!value) refuse("a text");
  return std::string(*value);
}

int64_t Value::integer(int64_t low, int64_t high) const {
  const auto value = as_integer();
  if (!value || *value < low || *value > high)
    refuse("a whole number in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
  return *value;
}

double Value::number() const {
  const auto value = as_number();
  if (!value) refuse("a number");
  return *value;
}

Items<Value> Value::list() const {
  if (type() != Type::list) refuse("a list");
  return elements();
}

Items<Member> Value::object() const {
  if (type() != Type::object) refuse("a JSON object");
  return members();
}

Value Value::at(std::string_view key) const {
  if (type() != Type::object) refuse("a JSON object");
  const auto found = find(key);
  if (!found) fail(path(), ": expected a key ", in_quotes(key), ", found none");
  return *found;
}

void Value::expect_keys(std::span<const std::string_view> known) const {
  for (const auto& [key, value] : object()) {
    if (std::ranges::find(known, key) != known.end()) continue;
    std::string names;
    for (const std::string_view name : known) names.append(names.empty() ? "" : ", ").append(name);
    fail(path(), ": expected no other keys than ", names, ", found ", in_quotes(key));
  }
}

void Value::refuse(const std::string& expected) const {
  fail(path(), ": expected ", expected, ", found ", description());
}

std::string Value::description() const {
  switch (type()) {
    case Type::null:
      return "null";
    case Type::boolean:
      return *as_flag() ? "true" : "false";
    case Type::number:
      return printable(number_text(), kMaxShown);
    case Type::text:
      return in_quotes(*as_text());
    case Type::list:
      return elements().empty() ? "an empty list" : "a list";
    case Type::object:
      break;
  }
  return members().empty() ? "an empty JSON object" : "a JSON object";
}

// The file and the path, such as "run.json: plugins[0].kind". Descends from the root to this value's node.
std::string Value::path() const {
  if (!tree_) return "JSON";
  std::string keys;
  for (uint32_t at = 0; at != node_;) {
    const bool is_list = tree_->nodes[at].kind == Kind::list;
    uint32_t next = at + 1;
    for (size_t i = 0;; ++i) {
      const uint32_t value = is_list ? next : next + 1, next_sibling = tree_->next_sibling(value);
      if (node_ >= next_sibling) {
        next = next_sibling;
        continue;
      }
      if (is_list)
        keys.append("[").append(std::to_string(i)).append("]");
      else
        keys.append(keys.empty() ? "" : ".").append(printable(tree_->text_of(next), kMaxShown));
      at = value;
      break;
    }
  }
  return keys.empty() ? tree_->where : tree_->where + ": " + keys;
}

void write(JsonWriter& writer, const Value& value) {
  std::vector<Open> open;
  const auto begin = [&](const Value& one) {
    if (one.type() == Type::list)
      writer.begin_list();
    else if (one.type() == Type::object)
      writer.begin_object();
    else
      return write_scalar(writer, one);
    open.emplace_back(one);
  };
  begin(value);
  while (!open.empty()) {
    Open& last = open.back();
    if (last.is_done()) {
      last.is_list ? writer.end_list() : writer.end_object();
      open.pop_back();
    } else if (last.is_list) {
      begin(*last.element++);
    } else {
      const Member member = *last.member++;
      writer.key(member.key);
      begin(member.value);
    }
  }
}

}  // namespace gpt2run::json
