// How a document lies in memory: one array of nodes in the file's order, one string of all texts. A list is its node
// and then its elements, an object its node and then keys and values in turn, each with all that is in it.
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
  uint32_t size = 0;  // bytes of a text, a key or a real's writing; elements of a list; members of an object
  // negative, natural: the number's bits. real, text, key: where it begins in Tree::text. list, object: the index of
  // the node behind it in the lower half, and for an object of more than kFew members in the upper one where its slots
  // begin.
  uint64_t word = 0;
};

struct Tree {
  static constexpr uint32_t kFew = 8;

  std::string where;  // the file, for messages
  std::vector<Node> nodes;
  std::string text;
  std::vector<uint64_t> slots;  // for each member of an object with many: hash of the key << 32 | index of its node

  std::string_view text_of(uint32_t node) const { return {text.data() + nodes[node].word, nodes[node].size}; }

  bool is_structured(uint32_t node) const { return nodes[node].kind >= Kind::list; }

  // The index of the node behind this one and all that is in it.
  uint32_t behind(uint32_t node) const {
    return is_structured(node) ? static_cast<uint32_t>(nodes[node].word) : node + 1;
  }

  // An object that is complete: makes its keys findable. Returns the node of the first key that came before, 0 if each
  // comes once.
  uint32_t index_keys(uint32_t object);

  // The key's node, 0 if there is none.
  uint32_t find(uint32_t object, std::string_view key) const;
};

}  // namespace gpt2run::json
