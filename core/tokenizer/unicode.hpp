// The Unicode classes that GPT-2's pattern tells apart, as a table of runs.
#pragma once
#include <cstdint>
#include <span>

namespace gpt2run {

enum class CharClass : uint8_t { other, letter, number, space };

// Runs of code points of one class, ascending and without gaps from 0 to U+10FFFF: first code point x 4 + CharClass.
std::span<const uint32_t> unicode_runs();

}  // namespace gpt2run
