// The tensors of a model in one safetensors file or in shards that an index lists.
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

// Owns the mapped files. Names are kept without a leading "transformer.". Immutable after the constructor.
class WeightFiles {
 public:
  // path: a folder, whose model.safetensors is taken, else what its model.safetensors.index.json lists; or one
  // safetensors file. Throws Error.
  explicit WeightFiles(const std::string& path);

  const StoredTensor* find(const std::string& name) const;  // null: not there
  const std::string& path() const { return path_; }         // the file or the index

  // For messages: of the names that are not in `known`, the one nearest to a name that is missing, or "nothing".
  std::string nearest(std::string_view name, const std::set<std::string>& known) const;

  // Logs the names that are neither in `known` nor mask buffers of the attention.
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
