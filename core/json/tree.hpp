// Tree: a parsed document in memory. It has one array of nodes in the file's order, and one string with all texts. A
// list is its node followed by its elements; an object is its node followed by keys and values in turn. Each element
// and value is followed by its own contents in the same way.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run::json {

enum class Kind : uint8_t { null, no, yes, negative, natural, real, text, key, list, object };

struct Node {
  Kind kind = Kind::null;
  uint32_t size = 0;  // bytes of a text, a key or a number's text; elements of a list; members of an object
  // What word holds depends on the kind. negative, natural: the number's bits. real, text, key: the offset in
  // Tree::text. list, object: the index of the node after it in the lower half. An object with more than
  // kMaxLinearSearch members has the index of its first slot in the upper half.
  uint64_t word = 0;
};

struct Tree {
  static constexpr uint32_t kMaxLinearSearch = 8;

  std::string where;  // the file, for messages
  std::vector<Node> nodes;
  std::string text;
  std::vector<uint64_t> slots;  // for each member of a large object: hash of the key << 32 | index of the key's node

  std::string_view text_of(uint32_t node) const { return {text.data() + nodes[node].word, nodes[node].size}; }

  bool is_structured(uint32_t node) const { return nodes[node].kind >= Kind::list; }

  // The index of the node that follows this one and everything in it.
  uint32_t next_sibling(uint32_t node) const {
    return is_structured(node) ? static_cast<uint32_t>(nodes[node].word) : node + 1;
  }

  // Makes the keys of a complete object searchable. Returns the node of the first key that repeats an earlier one, or 0
  // if there is none.
  uint32_t index_keys(uint32_t object);

  // Returns the node of a key, or 0 if the object does not have it.
  uint32_t find(uint32_t object, std::string_view key) const;
};

}  // namespace gpt2run::json
