// The safetensors format: 8 bytes length of the header (little-endian), the header (JSON: name -> dtype, shape,
// data_offsets), then the tensors' bytes, each exactly once.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../common/mapped_file.hpp"

namespace gpt2run::huggingface {

struct StoredTensor {
  const char* data;  // in the mapped file, not aligned
  std::string dtype;
  std::vector<int64_t> shape;
  size_t bytes;             // checked against dtype and shape
  const std::string* path;  // of its file
};

// All tensors of a mapped file, by name; they point into it. Throws Error naming file, tensor, expected and found when
// the header does not describe the file exactly.
std::map<std::string, StoredTensor> read_safetensors(const loaders::MappedFile& file);

// For messages: "[48,144]".
template <class Size>
std::string shape_text(const std::vector<Size>& shape) {
  std::string text = "[";
  for (const Size size : shape) text.append(text.size() > 1 ? "," : "").append(std::to_string(size));
  return text + "]";
}

}  // namespace gpt2run::huggingface
