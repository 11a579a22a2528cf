// A choice of whole numbers as a user types it.
#pragma once
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {

// Some of the numbers from 0 on: "all", or numbers and ranges with commas between them, such as "0-3,7". Both ends of a
// range belong to it.
class Ranges {
 public:
  // what: names the option in errors, as "lens: positions". Throws Error for a text that is no choice.
  Ranges(std::string_view what, std::string_view text) {
    for (std::string_view left = text; text != "all";) {
      const size_t comma = left.find(',');
      const std::string_view part = left.substr(0, comma);
      const size_t dash = part.find('-');
      const int64_t first = number(part.substr(0, dash));
      const int64_t last = dash == part.npos ? first : number(part.substr(dash + 1));
      if (first < 0 || last < first)
        fail(what, ": expected all, or numbers and ranges such as 0-3,7, found ", in_quotes(text));
      ranges_.push_back({first, last});
      if (comma == left.npos) break;
      left.remove_prefix(comma + 1);
    }
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

  static int64_t number(std::string_view text) {
    int32_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : -1;
  }

  std::vector<Range> ranges_;  // none: all
};

}  // namespace gpt2run
