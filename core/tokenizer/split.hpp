// GPT-2's pre-tokenization: it splits text into pieces, and no token ever crosses the end of a piece. As a regular
// expression the pattern is:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// It is scanned by hand because PCRE2 does not give the exact result: Debian 12's version knows Unicode 14 where
// tokenizers and tiktoken use Unicode 16 (9392 code points differ), and its \s matches U+180E, which is not white
// space.
#pragma once
#include <cstddef>
#include <string_view>

namespace gpt2run {

// The bytes of the first piece of a text, which must not be empty. A byte that does not begin a valid UTF-8 character
// counts as one character that is neither letter, number nor white space.
size_t first_piece(std::string_view text);

}  // namespace gpt2run
