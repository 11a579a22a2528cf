// A parsed JSON document, and views of its values. The typed getters (text(), integer(), at()) require the value: if it
// is missing or has another type, they throw Error with the file, the path to the value, what was expected and what was
// found: "run.json: plugins[0].kind: expected a text, found 3". The getters named as_...() return an empty optional
// instead.
//
// A Value is two words, and must not outlive its Document. Documents are immutable and may be read from any thread.
// Parsing, copying and destroying one never recurse, however deeply its values nest.
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run::json {

enum class Type : uint8_t { null, boolean, number, text, list, object };

struct Tree;

// The elements of a list or the members of an object, in the file's order.
template <class Item>
class Items {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Item operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
      const Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator& other) const { return left_ == other.left_; }

   private:
    friend class Items;
    Iterator(const Tree* tree, uint32_t node, uint32_t left) : tree_(tree), node_(node), left_(left) {}

    const Tree* tree_ = nullptr;
    uint32_t node_ = 0, left_ = 0;
  };

  Items() = default;
  Items(const Tree& tree, uint32_t first, uint32_t count) : begin_(&tree, first, count) {}

  Iterator begin() const { return begin_; }
  Iterator end() const { return {}; }
  size_t size() const { return begin_.left_; }
  bool empty() const { return size() == 0; }
  Item front() const { return *begin_; }  // not for an empty list

 private:
  Iterator begin_;
};

struct Member;

class Value {
 public:
  Value() = default;  // null
  Value(const Tree& tree, uint32_t node) : tree_(&tree), node_(node) {}

  Type type() const;
  bool is_null() const { return type() == Type::null; }
  // True for a number written without a point or an exponent, however large.
  bool is_whole() const;

  // The value, or nothing if it has another type or does not fit.
  std::optional<bool> as_flag() const;
  std::optional<std::string_view> as_text() const;
  std::optional<int64_t> as_integer() const;    // of a whole number
  std::optional<uint64_t> as_unsigned() const;  // of a whole number without a sign
  std::optional<double> as_number() const;      // the nearest double

  // A number exactly as the file writes it; "" for anything else.
  std::string number_text() const;

  // Empty for a value of any other type. No key repeats.
  Items<Value> elements() const;  // of a list
  Items<Member> members() const;  // of an object
  std::optional<Value> find(std::string_view key) const;
  Value find_or_null(std::string_view key) const;  // null where find() finds nothing

  // As above, but throw Error for a missing key, another type, or a value out of range.
  bool flag() const;
  std::string text() const;
  int64_t integer(int64_t low, int64_t high) const;
  double number() const;
  Items<Value> list() const;
  Items<Member> object() const;
  Value at(std::string_view key) const;
  // Throws Error for a value that is not an object, and for a key that is not among these.
  void expect_keys(std::span<const std::string_view> known) const;

  // Throws the Error "FILE: PATH: expected WHAT, found ...".
  [[noreturn]] void refuse(const std::string& expected) const;

  // The value on one line, for messages: a scalar, shortened if it is long; for a list or an object only the type.
  std::string description() const;

 private:
  std::string path() const;

  const Tree* tree_ = nullptr;
  uint32_t node_ = 0;
};

struct Member {
  std::string_view key;
  Value value;
};

template <>
Value Items<Value>::Iterator::operator*() const;
template <>
Items<Value>::Iterator& Items<Value>::Iterator::operator++();
template <>
Member Items<Member>::Iterator::operator*() const;
template <>
Items<Member>::Iterator& Items<Member>::Iterator::operator++();

class Document {
 public:
  explicit Document(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}

  Value root() const& { return {*tree_, 0}; }
  Value root() && = delete;  // it would outlive its document

 private:
  std::shared_ptr<const Tree> tree_;
};

// Writes a value again, with its numbers exactly as they were read.
void write(JsonWriter& writer, const Value& value);

}  // namespace gpt2run::json
