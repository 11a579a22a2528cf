// Recognises what people have in place of a weight file: pointers of Git LFS, web pages, files of other formats.
#pragma once
#include <filesystem>
#include <span>
#include <string>

namespace gpt2run::loaders {

// What a file is by its first bytes, and what to do about it, such as "a Git LFS pointer, not the file of 548105171
// bytes: fetch it with git lfs pull". Empty if it is none of these: Git LFS, HTML, safetensors, GGUF, a file of
// PyTorch, HDF5, ONNX, a zip or tar archive, a gzip file.
std::string foreign_format(std::span<const char> bytes);

// The same for a file that no loader may read, by its name (TensorFlow, Flax, ONNX, an adapter) or its first bytes.
// Empty for any other file, a folder, a pipe or nothing. Does not throw, unless memory ends.
std::string foreign_file(const std::filesystem::path& file);

// The first file of a folder that is foreign by its name, as "tf_model.h5, a file of TensorFlow: ..."; empty if there
// is none. Does not throw, unless memory ends.
std::string foreign_in(const std::filesystem::path& folder);

}  // namespace gpt2run::loaders
