// The header of an llm.c checkpoint: 256 little-endian int32, of which the first eight are used: magic, version, T, V,
// L, H, C and the padded vocabulary.
#pragma once
#include <cstdint>
#include <string>

#include "../common/mapped_file.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::llmc {

inline constexpr uint32_t kMagic = 20240326;
inline constexpr int64_t kHeaderBytes = 256 * 4;

// What a header tells.
struct Header {
  ModelConfig model;     // with GPT-2's values of what is not stored: end_of_text V - 1, F 4C, epsilon 1e-5
  int32_t padded_vocab;  // the rows of wte in the file, at least V
  Type type;             // of every tensor
};

// Reads the header. The length of the file beyond it is not checked. Throws Error naming the file, the field, what was
// expected and what was found.
Header read_header(const loaders::MappedFile& file);

// The first four bytes of a regular file as a little-endian number, or 0 if there are none. Does not block or throw.
uint32_t first_word(const std::string& path);

// The number with its bytes in reverse order.
constexpr uint32_t byte_swapped(uint32_t word) {
  return word << 24 | (word & 0xff00) << 8 | (word >> 8 & 0xff00) | word >> 24;
}

}  // namespace gpt2run::llmc
