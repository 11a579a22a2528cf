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

  // The entry with the longest text that begins `text`, or null. It takes a search for every byte that it compares, and
  // stops at the first that no entry has.
  const Entry* longest(std::string_view text) const;

 private:
  std::vector<Entry> entries_;             // in the order of their bytes
  std::array<uint32_t, 257> begins_ = {};  // for each first byte: the first entry that begins with it or a higher one
};

}  // namespace gpt2run
