// A file that torch.save() wrote, as an archive (PyTorch 1.6 and later) or as a series of pickles (before, and on
// request). It is used where it lies in memory.
#pragma once
#include <map>
#include <optional>
#include <string>

#include "../common/stored_tensors.hpp"
#include "archive.hpp"
#include "gpt2run/pickle/pickle.hpp"

namespace gpt2run::torch {

using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

// Whether a file begins as one of torch.save. bytes: its first ones, 512 are enough.
bool is_torch_file(std::string_view bytes);

class TorchFile {
 public:
  // Reads the pickle, and no tensor. file outlives this object and its tensors. Throws Error for a file of another
  // kind, which it names, for one that was cut, and for one in big-endian order.
  explicit TorchFile(const loaders::MappedFile& file);

  const std::string& path() const { return file_.path(); }
  const Pickle& pickle() const { return pickle_; }

  // Reads all storages of the tensors in a dictionary and throws Error for one whose sum is not that of the archive.
  // Returns false if the file has no sums, as the older form.
  bool check_sums(const Value& tensors) const;

  // A tensor of the pickle. name: for messages. Throws Error unless all of its elements lie in its storage, and the
  // storage has in the file the size that the pickle says.
  loaders::StoredTensor tensor(const Value& value, std::string_view name) const;

 private:
  void read_archive();
  void read_pickles();
  void find_storages(const Pickle& keys, uint64_t at);
  std::span<const char> storage_bytes(const pickle::Storage& storage, const std::string& where) const;

  const loaders::MappedFile& file_;
  std::optional<Archive> archive_;
  std::map<std::string_view, std::span<const char>> storages_;  // of a series of pickles, by key
  Pickle pickle_;
};

}  // namespace gpt2run::torch
