// The reader of the safetensors format: the length of the header in 8 bytes (little-endian), the header as JSON (name
// -> dtype, shape, data_offsets), then the tensors' data without gaps or overlaps.
#pragma once
#include "../common/stored_tensors.hpp"

namespace gpt2run::huggingface {

// Adds all tensors of a mapped file by the names that they have in it, the metadata, and the other names of tensors
// that the metadata tells. Throws Error naming the file, the tensor, what was expected and what was found unless the
// header describes the file exactly.
void add_safetensors(loaders::StoredTensors& tensors, const loaders::MappedFile& file);

}  // namespace gpt2run::huggingface
