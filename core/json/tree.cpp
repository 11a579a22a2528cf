// The keys of an object are sorted by a hash, and by their bytes if hashes are equal, so that no choice of keys makes a
// search slow.
#include "tree.hpp"

#include <algorithm>
#include <functional>

namespace gpt2run::json {
namespace {

uint64_t hash_of(std::string_view key) { return uint64_t{std::hash<std::string_view>{}(key)} << 32; }

uint32_t node_of(uint64_t slot) { return static_cast<uint32_t>(slot); }

bool equal_hashes(uint64_t a, uint64_t b) { return a >> 32 == b >> 32; }

}  // namespace

uint32_t Tree::index_keys(uint32_t object) {
  const uint32_t count = nodes[object].size;
  const size_t first = slots.size();
  for (uint32_t key = object + 1, left = count; left > 0; --left, key = next_sibling(key + 1))
    slots.push_back(hash_of(text_of(key)) | key);
  const auto begin = slots.begin() + static_cast<std::ptrdiff_t>(first);
  uint32_t twice = 0;
  const auto note = [&](uint64_t a, uint64_t b) {
    if (!equal_hashes(a, b) || text_of(node_of(a)) != text_of(node_of(b))) return;
    const uint32_t later = std::max(node_of(a), node_of(b));
    twice = twice == 0 ? later : std::min(twice, later);
  };
  if (count <= kMaxLinearSearch) {
    for (auto a = begin; a != slots.end(); ++a)
      for (auto b = begin; b != a; ++b) note(*a, *b);
    slots.resize(first);
    return twice;
  }
  std::sort(begin, slots.end(), [&](uint64_t a, uint64_t b) {
    const int order = equal_hashes(a, b) ? text_of(node_of(a)).compare(text_of(node_of(b))) : 0;
    return order != 0 ? order < 0 : a < b;
  });
  for (auto slot = begin; slot + 1 < slots.end(); ++slot) note(slot[0], slot[1]);
  nodes[object].word |= uint64_t{first} << 32;
  return twice;
}

uint32_t Tree::find(uint32_t object, std::string_view key) const {
  const uint32_t count = nodes[object].size;
  if (count <= kMaxLinearSearch) {
    uint32_t node = object + 1;
    for (uint32_t left = count; left > 0; --left, node = next_sibling(node + 1))
      if (text_of(node) == key) return node;
    return 0;
  }
  const auto begin = slots.begin() + static_cast<std::ptrdiff_t>(nodes[object].word >> 32), end = begin + count;
  const uint64_t wanted = hash_of(key);
  const auto found = std::partition_point(begin, end, [&](uint64_t slot) {
    return equal_hashes(slot, wanted) ? text_of(node_of(slot)) < key : slot < wanted;
  });
  const bool is_there = found != end && equal_hashes(*found, wanted) && text_of(node_of(*found)) == key;
  return is_there ? node_of(*found) : 0;
}

}  // namespace gpt2run::json
