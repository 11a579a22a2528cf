// The Unicode character classes of GPT-2's pattern, as a table of runs.
#pragma once
#include <cstdint>
#include <span>

namespace gpt2run {

enum class CharClass : uint8_t { other, letter, number, space };

// Runs of code points of the same class, ascending and without gaps from 0 to U+10FFFF. Each entry is the first code
// point of a run x 4 + its CharClass.
std::span<const uint32_t> unicode_runs();

}  // namespace gpt2run
