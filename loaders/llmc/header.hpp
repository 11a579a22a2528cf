// The header of an llm.c checkpoint: 256 little-endian int32, of which eight are used: magic, version, T, V, L, H, C
// and the padded vocabulary.
#pragma once
#include <cstdint>
#include <string>

#include "../common/mapped_file.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::llmc {

inline constexpr uint32_t kMagic = 20240326;
inline constexpr int64_t kHeaderBytes = 256 * 4;

struct Header {
  ModelConfig model;     // end_of_text: V - 1, as in GPT-2; F = 4C, epsilon 1e-5: the format stores none of the three
  int32_t padded_vocab;  // rows of wte in the file, at least V
  Type type;             // of every tensor
};

// Throws Error naming file, field, expected and found. The file's length is not judged here.
Header read_header(const loaders::MappedFile& file);

// The first four bytes of a regular file as a little-endian number; 0 where there are none. Never waits, never throws.
uint32_t first_word(const std::string& path);

// The number with its bytes in reverse order.
constexpr uint32_t turned(uint32_t word) {
  return word << 24 | (word & 0xff00) << 8 | (word >> 8 & 0xff00) | word >> 24;
}

}  // namespace gpt2run::llmc
