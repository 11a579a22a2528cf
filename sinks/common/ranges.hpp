// A choice of whole numbers as a user types it.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"
#include "gpt2run/plugin.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Some of the numbers from 0 on: "all", or numbers and ranges with commas or plus signs between them, such as "0-3,7".
// Both ends of a range belong to it.
class Ranges {
 public:
  // what: names the option in errors, as "lens: positions". Throws Error for a text that is no choice.
  Ranges(std::string_view what, std::string_view text) {
    for (std::string_view left = text; text != "all";) {
      const size_t comma = left.find_first_of(",+");
      const std::string_view part = left.substr(0, comma);
      const size_t dash = part.find('-');
      const int64_t first = number(part.substr(0, dash));
      const int64_t last = dash == part.npos ? first : number(part.substr(dash + 1));
      if (first < 0 || last < first)
        fail(what, ": expected all, or numbers and ranges such as 0-3+7, found ", in_quotes(text));
      ranges_.push_back({first, last});
      if (comma == left.npos) break;
      left.remove_prefix(comma + 1);
    }
  }

  // Throws Error for a number that is not below `count`. things: what is counted, as "layers of the model".
  void check_below(std::string_view what, std::string_view things, int64_t count) const {
    for (const Range& range : ranges_)
      if (range.last >= count) fail(what, ": expected ", things, ", 0 to ", count - 1, ", found ", shown(range));
  }

  // The numbers from `count` on, as a user would type them; empty if there are none.
  std::string beyond(int64_t count) const {
    std::string text;
    for (const Range& range : ranges_)
      if (range.last >= count)
        text.append(text.empty() ? "" : ",").append(shown({std::max(range.first, count), range.last}));
    return text;
  }

  bool contains(int64_t value) const {
    for (const Range& range : ranges_)
      if (value >= range.first && value <= range.last) return true;
    return ranges_.empty();
  }

 private:
  struct Range {
    int64_t first, last;
  };

  static std::string shown(const Range& range) {
    const std::string first = std::to_string(range.first);
    return range.last > range.first ? first + "-" + std::to_string(range.last) : first;
  }

  static int64_t number(std::string_view text) {
    int32_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : -1;
  }

  std::vector<Range> ranges_;  // none: all
};

// Tells, at the end of a run, of chosen positions at which nothing was read. length: of the longest sequence, as far as
// it was read.
inline void warn_of_positions(const Host& host, const std::string& sink, const Ranges& positions, int32_t length) {
  if (const std::string beyond = positions.beyond(length); !beyond.empty())
    host.log(2, (sink + ": positions: nothing was read at " + beyond + ", because the longest sequence ends after " +
                 std::to_string(length) + " positions")
                    .c_str());
}

}  // namespace gpt2run
