// GPT-2's byte alphabet, in which token files spell tokens: printable Latin-1 bytes stand for themselves, and the other
// 68, in ascending order, are written as U+0100 and up (a space is U+0120). Any thread.
#pragma once
#include <array>
#include <string>
#include <string_view>

namespace gpt2run {

// The letter of each byte, in UTF-8.
const std::array<std::string, 256>& byte_letters();

// The bytes that a token's letters stand for. A token with any other character is plain text and is returned unchanged.
std::string bytes_of_letters(std::string_view token);

// The letters that stand for these bytes.
std::string letters_of_bytes(std::string_view bytes);

}  // namespace gpt2run
