#include "prefix_table.hpp"

#include <algorithm>
#include <cstring>

namespace gpt2run {

PrefixTable::PrefixTable(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::erase_if(entries_, [](const Entry& entry) { return entry.text.empty(); });
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
  const auto same = [](const Entry& a, const Entry& b) { return a.text == b.text; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  for (const Entry& entry : entries_) ++begins_[static_cast<uint8_t>(entry.text[0]) + size_t{1}];
  for (size_t byte = 0; byte < 256; ++byte) {
    if (!entries_.empty() && begins_[byte + 1] == entries_.size()) only_ = static_cast<int>(byte);
    begins_[byte + 1] += begins_[byte];
  }
}

const PrefixTable::Entry* PrefixTable::longest(std::string_view text) const {
  if (text.empty()) return nullptr;
  const auto first = static_cast<uint8_t>(text[0]);
  const Entry* low = entries_.data() + begins_[first];
  const Entry* high = entries_.data() + begins_[first + size_t{1}];
  const Entry* best = nullptr;
  for (size_t i = 1; low < high; ++i) {
    if (low->text.size() == i) best = low++;
    if (i == text.size()) break;
    const auto byte = static_cast<uint8_t>(text[i]);
    const auto at = [i](const Entry& entry) { return static_cast<uint8_t>(entry.text[i]); };
    low = std::partition_point(low, high, [&](const Entry& entry) { return at(entry) < byte; });
    high = std::partition_point(low, high, [&](const Entry& entry) { return at(entry) == byte; });
  }
  return best;
}

size_t PrefixTable::next_start(std::string_view text, size_t at) const {
  if (only_ >= 0) {
    const void* found = at < text.size() ? std::memchr(text.data() + at, only_, text.size() - at) : nullptr;
    return found ? static_cast<size_t>(static_cast<const char*>(found) - text.data()) : text.size();
  }
  const auto begins = [&](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return begins_[byte] != begins_[byte + size_t{1}];
  };
  while (at < text.size() && !begins(text[at])) ++at;
  return at;
}

}  // namespace gpt2run
