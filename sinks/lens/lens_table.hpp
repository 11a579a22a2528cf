// The lens as a table for a terminal.
#pragma once
#include <string>

#include "lens_record.hpp"

namespace gpt2run {

// A block of lines, layers down and positions across, in as many parts as `width` columns need; then one with the top
// tokens at the last position. A single position has the latter alone. Control characters are escaped.
// From the second sequence on it begins with an empty line.
std::string lens_table(uint64_t sequence, const LensRecord& record, const TokenTexts& texts, int width);

}  // namespace gpt2run
