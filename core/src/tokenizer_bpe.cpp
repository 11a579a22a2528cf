// Special tokens are cut out of the text, GPT-2's pattern cuts the rest into pieces, and each piece becomes tokens: by
// one look-up where the whole piece is a token (nine of ten in plain English), else by merging the pair of the lowest
// rank, leftmost first, until no pair is left. Pairs wait in a heap, so that a piece of n bytes takes n log n steps.
#include "tokenizer_bpe.hpp"

#include <algorithm>
#include <bit>
#include <functional>

#include "gpt2run/error.hpp"
#include "tokenizer_split.hpp"

namespace gpt2run {
namespace {

// Open addressing from a hash to a number chosen by the owner, who compares the keys.
class HashIndex {
 public:
  explicit HashIndex(size_t entries) : slots_(std::bit_ceil(2 * entries + 1), Slot{0, -1}) {}

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

constexpr uint64_t mix(uint64_t x) {
  x *= 0x9E3779B97F4A7C15u;
  return x ^ x >> 32;
}

uint64_t hash_of(std::string_view bytes) {
  uint64_t hash = bytes.size();
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return mix(hash);
}

uint64_t hash_of(int32_t left, int32_t right) {
  return mix(static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right));
}

// Buffers of one call of encode.
struct Scratch {
  struct Symbol {
    int32_t id;             // -1: merged into its left neighbour
    int32_t rank;           // of the merge with the right neighbour, -1: none
    size_t previous, next;  // positions; the end is the number of symbols
  };
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;  // rank << 40 | position: the lowest rank first, then the leftmost
};

constexpr int kPositionBits = 40;
constexpr uint64_t kPositionMask = (uint64_t{1} << kPositionBits) - 1;

class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(Vocabulary vocabulary)
      : vocabulary_(std::move(vocabulary)), pairs_(vocabulary_.merges.size()), whole_(vocabulary_.pieces.size()) {
    for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) {
      const Merge& merge = vocabulary_.merges[rank];
      pairs_.add(hash_of(merge.left, merge.right), static_cast<int32_t>(rank));
    }
    index_whole_pieces();
  }

  std::vector<int32_t> encode(std::string_view text, bool special) const override {
    std::vector<int32_t> ids;
    ids.reserve(text.size() / 4 + 1);
    Scratch scratch;
    if (special) {
      encode_special(text, scratch, ids);
    } else {
      encode_plain(text, scratch, ids);
    }
    return ids;
  }

  std::string_view piece(int32_t id) const override {
    if (id < 0 || id >= size()) fail("token id: expected 0 to ", size() - 1, ", found ", id);
    return vocabulary_.pieces[static_cast<size_t>(id)];
  }

  int32_t size() const override { return static_cast<int32_t>(vocabulary_.pieces.size()); }
  int32_t end_of_text() const override { return vocabulary_.end_of_text; }

 private:
  // A token that its own merges do not build (an added one, say) must never come out of a look-up.
  void index_whole_pieces() {
    Scratch scratch;
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < size(); ++id) {
      const std::string_view bytes = piece(id);
      ids.clear();
      merge(bytes, scratch, ids);
      if (ids.size() == 1 && ids[0] == id) whole_.add(hash_of(bytes), id);
    }
  }

  // The leftmost special token first, of several there the longest.
  void encode_special(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const {
    std::vector<size_t> found(vocabulary_.special.size(), 0);
    for (size_t i = 0; i < found.size(); ++i) found[i] = text.find(piece(vocabulary_.special[i]));
    size_t begin = 0;
    while (true) {
      size_t first = std::string_view::npos;
      int32_t best = -1;
      for (size_t i = 0; i < found.size(); ++i) {
        const int32_t id = vocabulary_.special[i];
        if (found[i] < begin) found[i] = text.find(piece(id), begin);
        if (found[i] == std::string_view::npos || found[i] > first) continue;
        if (found[i] < first || piece(id).size() > piece(best).size()) best = id;
        first = found[i];
      }
      if (best < 0) break;
      encode_plain(text.substr(begin, first - begin), scratch, ids);
      ids.push_back(best);
      begin = first + piece(best).size();
    }
    encode_plain(text.substr(begin), scratch, ids);
  }

  void encode_plain(std::string_view text, Scratch& scratch, std::vector<int32_t>& ids) const {
    while (!text.empty()) {
      const std::string_view part = text.substr(0, first_piece(text));
      text.remove_prefix(part.size());
      const int32_t whole = whole_.find(hash_of(part), [&](int32_t id) { return vocabulary_.pieces[id] == part; });
      if (whole >= 0) {
        ids.push_back(whole);
      } else {
        merge(part, scratch, ids);
      }
    }
  }

  int32_t rank_of(int32_t left, int32_t right) const {
    return pairs_.find(hash_of(left, right), [&](int32_t rank) {
      const Merge& merge = vocabulary_.merges[rank];
      return merge.left == left && merge.right == right;
    });
  }

  // Ranks the pair that begins at position i and puts it in the heap. A pair that was there before stays in it, stale:
  // its rank is no longer the symbol's.
  void push_pair(size_t i, Scratch& scratch) const {
    Scratch::Symbol& symbol = scratch.symbols[i];
    symbol.rank = symbol.next == scratch.symbols.size() ? -1 : rank_of(symbol.id, scratch.symbols[symbol.next].id);
    if (symbol.rank < 0) return;
    scratch.heap.push_back(static_cast<uint64_t>(symbol.rank) << kPositionBits | i);
    std::push_heap(scratch.heap.begin(), scratch.heap.end(), std::greater<>());
  }

  void merge(std::string_view bytes, Scratch& scratch, std::vector<int32_t>& ids) const {
    auto& [symbols, heap] = scratch;
    symbols.resize(bytes.size());
    heap.clear();
    for (size_t i = 0; i < bytes.size(); ++i) {
      symbols[i] = {vocabulary_.byte_ids[static_cast<uint8_t>(bytes[i])], -1, i - 1, i + 1};
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
      left.id = vocabulary_.merges[static_cast<size_t>(rank)].result;
      left.next = right.next;
      right.id = -1;
      if (left.next < symbols.size()) symbols[left.next].previous = i;
      push_pair(i, scratch);
      if (i > 0) push_pair(left.previous, scratch);
    }
    for (size_t i = 0; i < symbols.size(); i = symbols[i].next) ids.push_back(symbols[i].id);
  }

  Vocabulary vocabulary_;
  HashIndex pairs_;  // to ranks
  HashIndex whole_;  // to ids
};

}  // namespace

std::unique_ptr<Tokenizer> make_bpe_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<BpeTokenizer>(std::move(vocabulary));
}

}  // namespace gpt2run
