// The records of a zip archive as torch.save() writes it: stored, not compressed.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gpt2run::torch {

class Archive {
 public:
  // bytes: the whole file, which outlives the archive. path: for messages. Reads the directory at the end, also that of
  // zip64. Throws Error for a file that was cut, a record that is compressed or encrypted, two records of one name, and
  // records that overlap or reach out of the file.
  Archive(std::span<const char> bytes, const std::string& path);

  // The bytes of a record by its name without the archive's own, as in "data.pkl" for "model/data.pkl".
  std::optional<std::span<const char>> find(std::string_view name) const;

 private:
  std::string root_;                                                        // "model/", the beginning of every name
  std::map<std::string_view, std::span<const char>, std::less<>> records_;  // by whole names
};

}  // namespace gpt2run::torch
