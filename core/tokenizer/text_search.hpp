// TextSearch: finds the longest of many texts that begins at each place of another text, in the time of that text's
// length. Any thread.
#pragma once
#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

class TextSearch {
 public:
  struct Match {
    size_t begin;
    uint32_t text;  // its place among the texts
  };

  // Empty texts are never found. Of equal ones the first is.
  explicit TextSearch(const std::vector<std::string>& texts);

  // All places where one of the texts begins, each with the longest, from right to left.
  std::vector<Match> find(std::string_view text) const;

 private:
  // A node stands for an end of some texts: the bytes on the way to it, from the root, are read from right to left.
  struct Node {
    uint32_t first_child = 0, end_child = 0;  // one behind the other, in the order of their bytes
    uint32_t next = 0;                        // the node for the longest part of this end, without its last bytes
    uint32_t found = kNone;                   // the longest text that begins where this end does
    uint8_t byte = 0;                         // the last one on the way
  };
  static constexpr uint32_t kNone = ~uint32_t{0};

  uint32_t child(uint32_t node, uint8_t byte) const;
  uint32_t step(uint32_t node, uint8_t byte) const;

  std::vector<Node> nodes_;      // the root first, then by the length of their ends
  std::bitset<256> last_bytes_;  // with which a text ends
};

}  // namespace gpt2run
