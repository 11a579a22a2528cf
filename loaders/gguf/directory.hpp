// The tensors of a mapped GGUF file after their types, sizes and places have been checked.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "../common/mapped_file.hpp"
#include "blocks.hpp"

namespace gpt2run::gguf {

// A tensor in a mapped file.
struct PlacedTensor {
  const BlockType* type;
  std::vector<uint64_t> shape;  // the size of neighbouring elements first
  const char* data;
  uint64_t bytes;  // agrees with type and shape
};

// Returns all tensors by name. They point into the file, which outlives them. Throws Error naming the file, the tensor,
// what was expected and what was found: for a type that is not read, rows that do not consist of whole blocks, data
// that is not aligned, outside of the file, or shared by two tensors.
std::map<std::string_view, PlacedTensor> place_tensors(const Contents& contents, const loaders::MappedFile& file);

// A shape for messages, such as "[48,144]".
std::string shape_text(const std::vector<uint64_t>& shape);

}  // namespace gpt2run::gguf
