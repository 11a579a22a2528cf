// The reader of the safetensors format: the length of the header in 8 bytes (little-endian), the header as JSON (name
// -> dtype, shape, data_offsets), then the tensors' data without gaps or overlaps.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../common/mapped_file.hpp"

namespace gpt2run::huggingface {

// A tensor in a mapped file.
struct StoredTensor {
  const char* data;  // points into the mapped file; not aligned
  std::string dtype;
  std::vector<int64_t> shape;
  size_t bytes;             // agrees with dtype and shape
  const std::string* path;  // the path of its file
};

// All tensors of a mapped file, by name. They point into the file, which outlives them. Throws Error naming the file,
// the tensor, what was expected and what was found unless the header describes the file exactly.
std::map<std::string, StoredTensor> read_safetensors(const loaders::MappedFile& file);

// A shape for messages, such as "[48,144]".
template <class Size>
std::string shape_text(const std::vector<Size>& shape) {
  std::string text = "[";
  for (const Size size : shape) text.append(text.size() > 1 ? "," : "").append(std::to_string(size));
  return text + "]";
}

}  // namespace gpt2run::huggingface
