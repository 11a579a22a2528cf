// The tensors that a model's files hold, by name, whatever the files' format.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/plugin.hpp"
#include "mapped_file.hpp"

namespace gpt2run::loaders {

// A tensor in a mapped file. The reader of the format has checked that all of its elements lie within the file.
struct StoredTensor {
  const char* data;   // its first element; not aligned
  std::string dtype;  // as safetensors names it: F32, F16, BF16, F64, or a type that no weight may have
  std::vector<int64_t> shape, strides;  // of the same length; strides in elements, not negative
  const std::string* path;              // the path of its file
};

// A shape for messages, such as "[48,144]".
template <class Size>
std::string shape_text(const std::vector<Size>& shape) {
  std::string text = "[";
  for (const Size size : shape) text.append(text.size() > 1 ? "," : "").append(std::to_string(size));
  return text + "]";
}

// The strides of a tensor whose elements lie in the order of its shape without gaps. The number of its elements must
// fit 64 bits.
std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape);

// Owns the mapped files. It is filled by one thread; then any thread may read it.
class StoredTensors {
 public:
  // path: the file or index, for messages about all of them.
  explicit StoredTensors(std::string path) : path_(std::move(path)) {}

  // Maps a file, which lives as long as this object, also when it is moved. is_whole: nearly all of the file will be
  // read, so the system should begin at once. Throws Error.
  const MappedFile& map(const std::string& path, bool is_whole = true) { return files_.emplace_back(path, is_whole); }

  // Throws Error naming the file if there is a tensor of this name already.
  void add(std::string_view name, StoredTensor tensor);

  // Makes find(name) return the tensor `other`, if that is stored and `name` is not: save_model() of safetensors stores
  // tied weights once and writes the other name into the metadata.
  void add_alias(std::string_view name, std::string_view other);

  // Gives back the memory of a part of one of the files.
  void release(std::span<const char> part) const;

  // Remembers what the metadata of a file says under a key. The first file that says something counts.
  void add_metadata(std::string_view key, std::string_view text) { metadata_.emplace(key, text); }
  const std::string* metadata(std::string_view key) const;  // null if there is none

  // Reduces all names to those of transformers without "transformer.": what stands before "wte.weight" (or, without
  // one, "ln_f.weight") is removed wherever it stands, such as "_orig_mod.", "module." and "transformer.". Throws Error
  // if two names become one.
  void strip_prefixes();

  const StoredTensor* find(std::string_view name) const;  // null if there is none
  const std::string& path() const { return path_; }

  // The number of layers that the names speak of: one more than the highest N in "h.N.", or 0. Throws Error beyond the
  // limit of layers.
  int64_t layers() const;

  // For the end of a message about a missing tensor: of the stored names that are not in `known`, the one that may have
  // been meant by `name`; or any. "" if there is none.
  std::string nearest(std::string_view name, const std::set<std::string>& known) const;
  std::string another(const std::set<std::string>& known) const;

  // Logs a warning with the stored names that are not in `known`. The attention's mask buffers are ignored silently.
  void log_unknown(const Host& host, const std::set<std::string>& known) const;

 private:
  std::vector<const std::string*> unknown(const std::set<std::string>& known) const;

  std::string path_;
  std::deque<MappedFile> files_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> aliases_, metadata_;
};

}  // namespace gpt2run::loaders
