// GPT-2's pre-tokenization: text is cut into pieces, and no token ever crosses a cut. The pattern, in the syntax of
// regular expressions:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// It is scanned by hand because PCRE2 cannot be exact: the release of Debian 12 knows Unicode 14 where tokenizers and
// tiktoken know Unicode 16 (9392 code points differ), and its \s takes U+180E, which is no white space.
#pragma once
#include <cstddef>
#include <string_view>

namespace gpt2run {

// Bytes of the first piece of a text that is not empty. A byte that begins no well-formed UTF-8 sequence counts as one
// character that is neither letter, number nor white space.
size_t first_piece(std::string_view text);

}  // namespace gpt2run
