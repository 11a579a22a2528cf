// Tables of code points, which scripts/make_text_tables.py writes. They say what Hugging Face tokenizers makes of each.
#pragma once
#include <cstdint>
#include <span>

namespace gpt2run {

// What a code point is, as bits.
namespace trait {
inline constexpr uint32_t kWord = 1;          // of a word, as \w in added tokens that must be a word by themselves
inline constexpr uint32_t kRemoved = 2;       // BERT's clean_text removes it
inline constexpr uint32_t kBlank = 4;         // BERT's clean_text makes a blank of it
inline constexpr uint32_t kWhite = 8;         // white space
inline constexpr uint32_t kPunctuation = 16;  // a word of its own in BERT's splitting
inline constexpr uint32_t kMark = 32;         // BERT's strip_accents removes it
}  // namespace trait

// Runs of code points with the same traits, ascending and without gaps from 0. Each entry is the first code point of a
// run x 64 + its traits.
std::span<const uint32_t> trait_runs();

// What BERT's strip_accents makes of a code point, ascending: the code point x 2^42 + one that takes its place x 2^21 +
// one behind that, or 0. The first of them may have an entry of its own. Hangul syllables are left out.
std::span<const uint64_t> decompositions();

// Code points first, first + step, ... last, each with its lower case at the same distance. U+0130, whose lower case is
// two code points, is left out.
struct LowerRun {
  uint32_t first, step, last;
  int32_t distance;
};
std::span<const LowerRun> lower_runs();  // ascending, none within another

}  // namespace gpt2run
