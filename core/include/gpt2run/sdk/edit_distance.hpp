// Edit distance of two names, for messages that suggest what may have been meant.
#pragma once
#include <algorithm>
#include <numeric>
#include <string_view>
#include <vector>

namespace gpt2run {

// The Levenshtein distance: the least number of letters to change, insert or delete that turns a into b. Takes time
// proportional to the product of the lengths.
inline size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace gpt2run
