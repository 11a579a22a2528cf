// Merging the bytes of one piece of text into tokens: the pair of the lowest rank first, leftmost of equal ones. Pairs
// wait in a heap, so that a piece of n bytes takes n log n steps.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bpe_model.hpp"

namespace gpt2run {

// Open addressing from a hash to a number chosen by the owner, who compares the keys.
class HashIndex {
 public:
  explicit HashIndex(size_t entries);  // at most as many are added

  void add(uint64_t hash, int32_t value) {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].value >= 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<uint32_t>(hash >> 32), value};
  }

  // The value whose key is equal, or -1.
  template <class Equal>
  int32_t find(uint64_t hash, Equal equal) const {
    size_t i = hash & (slots_.size() - 1);
    for (; slots_[i].value >= 0; i = (i + 1) & (slots_.size() - 1)) {
      if (slots_[i].tag == static_cast<uint32_t>(hash >> 32) && equal(slots_[i].value)) return slots_[i].value;
    }
    return -1;
  }

 private:
  struct Slot {
    uint32_t tag;
    int32_t value;  // -1: free
  };
  std::vector<Slot> slots_;
};

uint64_t hash_of(std::string_view bytes);

// Merges by rank. Not to be used by several threads while add() runs.
class Merger {
 public:
  // Buffers of a caller, for any number of calls.
  struct Scratch {
    struct Symbol {
      int32_t id;             // -1: merged into its left neighbour
      int32_t rank;           // of the merge with the right neighbour, -1: none
      size_t previous, next;  // positions; the end is the number of symbols
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;  // rank and position: the lowest rank first, then the leftmost
  };

  // At most `most` merges will be added, fewer than 2^24.
  Merger(const std::array<int32_t, 256>& byte_ids, size_t most);

  // Of the rank after the last one. Every pair once.
  void add(const Merge& merge);

  // Appends the ids of a text's bytes.
  void merge(std::string_view bytes, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  int32_t rank_of(int32_t left, int32_t right) const;
  void push_pair(size_t i, Scratch& scratch) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<Merge> merges_;
  HashIndex pairs_;  // to ranks
};

}  // namespace gpt2run
