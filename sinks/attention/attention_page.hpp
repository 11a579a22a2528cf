// The page of the sink attention: its weights in 8 bits, so that a browser can hold them.
#pragma once
#include <string>
#include <string_view>

#include "attention_record.hpp"

namespace gpt2run {

inline constexpr int64_t kMostSequenceBytes = int64_t{12} << 20;  // weights of one sequence, a byte each
inline constexpr int64_t kMostPageBytes = int64_t{48} << 20;      // weights of all sequences of a page

// How many of a sequence's tokens a page shows: at most `most`, and as many as kMostSequenceBytes lets it.
int32_t page_tokens(const AttentionRecord& record, int heads, int32_t most);

// Bytes of the weights of so many tokens.
int64_t page_bytes(const AttentionRecord& record, int heads, int32_t tokens);

// One object for the script of the page: its first `tokens` tokens, and their weights in units of 1/255 as base64, by
// layer, head, position, and the position that it attends to.
std::string attention_page_data(uint64_t sequence, const AttentionRecord& record, int heads, int32_t tokens);

// The page, with the mark of sinks/common/page.hpp in it.
std::string_view attention_page();

}  // namespace gpt2run
