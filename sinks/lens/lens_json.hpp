// The lens as JSON: lines for programs, and the data of its page.
#pragma once
#include <string>
#include <string_view>

#include "lens_record.hpp"

namespace gpt2run {

// A line with an object for each position, as docs/formats.md describes it.
std::string lens_lines(uint64_t sequence, const LensRecord& record, const TokenTexts& texts);

// One object for the script of the page, which says what is in it.
std::string lens_page_data(uint64_t sequence, const LensRecord& record, const TokenTexts& texts);

// The page, with the mark of sinks/common/page.hpp in it.
std::string_view lens_page();

}  // namespace gpt2run
