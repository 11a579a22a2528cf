// The types of tensors in a GGUF file: how many elements and bytes a block has, and how a quantised block becomes FP32
// values, as llama.cpp's reference does it: every operation is FP32 and rounded by itself.
#pragma once
#include <cstdint>

#include "gpt2run/gguf/gguf.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::gguf {

struct BlockType {
  TensorType type;
  int64_t elements, bytes;  // of a block
  // Writes the `elements` values of one block. Null where the values are used as they are stored, as `stored`.
  void (*dequantise)(const uint8_t* block, float* to);
  Type stored = Type::f32;
};

// The type with this number, or null when it is not read.
const BlockType* find_block_type(uint32_t number);

// The names of all types that are read, for messages.
inline constexpr const char* kReadTypes = "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K";

}  // namespace gpt2run::gguf
