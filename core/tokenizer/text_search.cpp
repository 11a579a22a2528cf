// The automaton of Aho and Corasick over the texts' bytes in reverse, so that what it reports at a place begins there.
#include "text_search.hpp"

#include <algorithm>

namespace gpt2run {
namespace {

// Texts from the sorted list that have the same end of this length.
struct Group {
  size_t begin, end, length;
};

uint8_t byte_from_end(const std::string& text, size_t i) { return static_cast<uint8_t>(text[text.size() - 1 - i]); }

}  // namespace

TextSearch::TextSearch(const std::vector<std::string>& texts) : nodes_(1) {
  std::vector<uint32_t> order;
  for (size_t i = 0; i < texts.size(); ++i)
    if (!texts[i].empty()) order.push_back(static_cast<uint32_t>(i));
  const auto reads_before = [&](uint32_t a, uint32_t b) {
    return std::lexicographical_compare(texts[a].rbegin(), texts[a].rend(), texts[b].rbegin(), texts[b].rend(),
                                        [](char x, char y) { return uint8_t(x) < uint8_t(y); });
  };
  std::ranges::stable_sort(order, reads_before);
  std::vector<Group> groups{{0, order.size(), 0}};  // of each node
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, length] = groups[node];
    // A whole text sorts before those that go on. Of equal ones the first has come first.
    if (length > 0 && texts[order[begin]].size() == length) {
      nodes_[node].found = order[begin];
      while (begin < end && texts[order[begin]].size() == length) ++begin;
    }
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const uint8_t byte = byte_from_end(texts[order[begin]], length);
      size_t other = begin;
      while (other < end && byte_from_end(texts[order[other]], length) == byte) ++other;
      Node& added = nodes_.emplace_back();
      added.byte = byte;
      groups.push_back({begin, other, length + 1});
      begin = other;
    }
    nodes_[node].end_child = static_cast<uint32_t>(nodes_.size());
  }
  for (uint32_t i = nodes_[0].first_child; i < nodes_[0].end_child; ++i) last_bytes_.set(nodes_[i].byte);
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    for (uint32_t i = nodes_[node].first_child; i < nodes_[node].end_child; ++i) {
      Node& own = nodes_[i];
      own.next = node == 0 ? 0 : step(nodes_[node].next, own.byte);
      if (own.found == kNone) own.found = nodes_[own.next].found;
    }
  }
}

uint32_t TextSearch::child(uint32_t node, uint8_t byte) const {
  const auto begin = nodes_.begin() + nodes_[node].first_child, end = nodes_.begin() + nodes_[node].end_child;
  const auto found = std::partition_point(begin, end, [byte](const Node& one) { return one.byte < byte; });
  return found != end && found->byte == byte ? static_cast<uint32_t>(found - nodes_.begin()) : kNone;
}

uint32_t TextSearch::step(uint32_t node, uint8_t byte) const {
  while (true) {
    if (const uint32_t found = child(node, byte); found != kNone) return found;
    if (node == 0) return 0;
    node = nodes_[node].next;
  }
}

std::vector<TextSearch::Match> TextSearch::find(std::string_view text) const {
  std::vector<Match> matches;
  uint32_t node = 0;
  for (size_t i = text.size(); i-- > 0;) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (node == 0 && !last_bytes_[byte]) continue;
    node = step(node, byte);
    if (nodes_[node].found != kNone) matches.push_back({i, nodes_[node].found});
  }
  return matches;
}

}  // namespace gpt2run
