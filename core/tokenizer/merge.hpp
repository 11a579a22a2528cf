// Merger: merges the bytes of one piece of text into tokens. The pair of lowest rank is merged first, the leftmost
// among equals. Pairs wait on a heap, so a piece of n bytes takes O(n log n) time.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "bpe_model.hpp"

namespace gpt2run {

// A hash table with open addressing, from hashes to non-negative numbers. The caller keeps the keys and compares them.
class HashIndex {
 public:
  explicit HashIndex(size_t entries);  // entries: the most that will be added

  void add(uint64_t hash, int32_t value) {
    size_t i = hash & (slots_.size() - 1);
    while (slots_[i].value >= 0) i = (i + 1) & (slots_.size() - 1);
    slots_[i] = {static_cast<uint32_t>(hash >> 32), value};
  }

  // Returns the value for which equal(value) is true, or -1.
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

// The merges of a vocabulary. merge() may be called from several threads, but not while add() runs.
class Merger {
 public:
  // Buffers of the caller, which may be used for any number of calls.
  struct Scratch {
    struct Symbol {
      int32_t id;             // -1 once it has been merged into its left neighbour
      int32_t rank;           // of the merge with its right neighbour; -1 if there is none
      size_t previous, next;  // positions of the neighbours; the number of symbols is the end
    };
    std::vector<Symbol> symbols;
    std::vector<uint64_t> heap;  // rank and position; lowest rank first, then leftmost
  };

  // most: the number of merges that will be added at most, fewer than 2^24.
  Merger(const std::array<int32_t, 256>& byte_ids, size_t most);

  // Adds the merge of the next rank. A pair must not be added twice.
  void add(const Merge& merge);

  // Appends the ids of the tokens into which the bytes merge.
  void merge(std::string_view bytes, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  int32_t rank_of(int32_t left, int32_t right) const;
  void push_pair(size_t i, Scratch& scratch) const;

  std::array<int32_t, 256> byte_ids_;
  std::vector<Merge> merges_;
  HashIndex pairs_;  // from pairs of ids to ranks
};

}  // namespace gpt2run
