// Merger keeps the mergeable pairs of a piece in a heap.
#include "merge.hpp"

#include <algorithm>
#include <bit>
#include <functional>

namespace gpt2run {
namespace {

constexpr int kPositionBits = 40;
constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;

constexpr uint64_t mix(uint64_t x) {
  x *= 0x9E3779B97F4A7C15u;
  return x ^ x >> 32;
}

uint64_t hash_of(int32_t left, int32_t right) {
  return mix(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right));
}

}  // namespace

HashIndex::HashIndex(size_t entries) : slots_(std::bit_ceil(2 * entries + 1), Slot{0, -1}) {}

uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = bytes.size();
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return mix(hash);
}

Merger::Merger(const std::array<int32_t, 256>& byte_ids, size_t most) : byte_ids_(byte_ids), pairs_(most) {
  merges_.reserve(most);
}

void Merger::add(const Merge& merge) {
  pairs_.add(hash_of(merge.left, merge.right), static_cast<int32_t>(merges_.size()));
  merges_.push_back(merge);
}

int32_t Merger::rank_of(int32_t left, int32_t right) const {
  return pairs_.find(hash_of(left, right), [&](int32_t rank) {
    const Merge& merge = merges_[rank];
    return merge.left == left && merge.right == right;
  });
}

// Looks up the rank of the pair that begins at position i, and puts the pair on the heap. An earlier entry for the same
// position stays there, and is recognised as stale because its rank is no longer the symbol's.
void Merger::push_pair(size_t i, Scratch& scratch) const {
  Scratch::Symbol& symbol = scratch.symbols[i];
  symbol.rank = symbol.next == scratch.symbols.size() ? -1 : rank_of(symbol.id, scratch.symbols[symbol.next].id);
  if (symbol.rank < 0) return;
  scratch.heap.push_back(static_cast<uint64_t>(symbol.rank) << kPositionBits | i);
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), std::greater<>());
}

void Merger::merge(std::string_view bytes, Scratch& scratch, std::vector<int32_t>& ids) const {
  auto& [symbols, heap] = scratch;
  symbols.resize(bytes.size());
  heap.clear();
  for (size_t i = 0; i < bytes.size(); ++i) {
    symbols[i] = {byte_ids_[static_cast<uint8_t>(bytes[i])], -1, i - 1, i + 1};
  }
  for (size_t i = 0; i < bytes.size(); ++i) push_pair(i, scratch);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const size_t i = heap.back() & kPositionMask;
    const int32_t rank = static_cast<int32_t>(heap.back() >> kPositionBits);
    heap.pop_back();
    Scratch::Symbol& left = symbols[i];
    if (left.id < 0 || left.rank != rank) continue;
    Scratch::Symbol& right = symbols[left.next];
    left.id = merges_[static_cast<size_t>(rank)].result;
    left.next = right.next;
    right.id = -1;
    if (left.next < symbols.size()) symbols[left.next].previous = i;
    push_pair(i, scratch);
    if (i > 0) push_pair(left.previous, scratch);
  }
  for (size_t i = 0; i < symbols.size(); i = symbols[i].next) ids.push_back(symbols[i].id);
}

}  // namespace gpt2run
