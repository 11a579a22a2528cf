// Recognises what people have in place of a weight file: pointers of Git LFS, web pages, files of other formats.
#pragma once
#include <span>
#include <string>

namespace gpt2run::loaders {

// What a file is by its first bytes, and what to do about it, such as "a Git LFS pointer, not the file of 548105171
// bytes: fetch it with git lfs pull". Empty if it is none of these: Git LFS, HTML, safetensors, GGUF, a file of
// PyTorch, HDF5, a tar archive, a gzip file.
std::string foreign_format(std::span<const char> bytes);

}  // namespace gpt2run::loaders
