// The tensors of a model, which are in one safetensors file or in shards that an index lists.
#pragma once
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/plugin.hpp"
#include "safetensors.hpp"

namespace gpt2run::huggingface {

// Owns the mapped files. Names of tensors are without a leading "transformer.". Immutable after the constructor, so any
// thread may use it.
class WeightFiles {
 public:
  // path: a safetensors file, or a folder. Of a folder model.safetensors is used, or else the shards that its
  // model.safetensors.index.json lists. Throws Error naming the file.
  explicit WeightFiles(const std::string& path);

  const StoredTensor* find(const std::string& name) const;  // null if there is none
  const std::string& path() const { return path_; }         // the file or the index

  // For a message about a missing tensor: of the stored names that are not in `known`, the one nearest to `name`, in
  // quotes; or "nothing".
  std::string nearest(std::string_view name, const std::set<std::string>& known) const;

  // Logs a warning with the stored names that are not in `known`. The attention's mask buffers are ignored silently.
  void log_unknown(const Host& host, const std::set<std::string>& known) const;

 private:
  std::vector<const std::string*> unknown(const std::set<std::string>& known) const;
  void add_file(const std::string& path);
  void add_shards(const std::string& folder);

  std::string path_;
  std::deque<loaders::MappedFile> files_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace gpt2run::huggingface
