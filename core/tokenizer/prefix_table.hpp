// PrefixTable: finds the longest of many texts with which another text begins. Any thread.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

class PrefixTable {
 public:
  struct Entry {
    std::string text;
    int32_t value;
  };

  // Entries without a text are left out. Of entries with the same text the first stays.
  explicit PrefixTable(std::vector<Entry> entries);

  bool empty() const { return entries_.empty(); }

  // The entry with the longest text that begins `text`, or null. It takes a search for every byte that it compares, and
  // stops at the first that no entry has.
  const Entry* longest(std::string_view text) const;

  // The first byte from `at` on with which an entry begins, or the text's size.
  size_t next_start(std::string_view text, size_t at) const;

 private:
  std::vector<Entry> entries_;             // in the order of their bytes
  std::array<uint32_t, 257> begins_ = {};  // for each first byte: the first entry that begins with it or a higher one
  int only_ = -1;                          // the first byte, if all entries have the same
};

}  // namespace gpt2run
