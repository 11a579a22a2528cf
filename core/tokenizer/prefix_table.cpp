#include "prefix_table.hpp"

#include <algorithm>

namespace gpt2run {

PrefixTable::PrefixTable(std::vector<Entry> entries) : entries_(std::move(entries)) {
  std::erase_if(entries_, [](const Entry& entry) { return entry.text.empty(); });
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
  const auto same = [](const Entry& a, const Entry& b) { return a.text == b.text; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  for (const Entry& entry : entries_) ++begins_[static_cast<uint8_t>(entry.text[0]) + size_t{1}];
  for (size_t byte = 0; byte < 256; ++byte) begins_[byte + 1] += begins_[byte];
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

}  // namespace gpt2run
