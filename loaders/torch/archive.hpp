// The records of a zip archive as torch.save() writes it: stored, not compressed.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gpt2run::torch {

class Archive {
 public:
  // bytes: the whole file, which outlives the archive, as path does, which is for messages. Reads the directory at the
  // end, also that of zip64. Throws Error for a file that was cut, a record that is encrypted, two records of one name,
  // and records that overlap or reach out of the file.
  Archive(std::span<const char> bytes, const std::string& path);

  // Records have names without the archive's own, as in "data.pkl" for "model/data.pkl".
  bool contains(std::string_view name) const;

  // The bytes of a record, or nothing if there is none. Throws Error for one that is compressed.
  std::optional<std::span<const char>> find(std::string_view name) const;

  // The same, with its sum (CRC-32) checked, which takes the time of reading it once. A sum of 0 is one that torch.save
  // was told not to compute. Throws Error for another sum than the directory's.
  std::optional<std::span<const char>> find_checked(std::string_view name) const;

 private:
  struct Record {
    std::span<const char> data;
    int method;    // of compression, 0: none
    uint32_t sum;  // CRC-32, or 0 if it was not computed
  };

  const std::string& path_;
  std::string root_;                                         // "model/", the beginning of every name
  std::map<std::string_view, Record, std::less<>> records_;  // by whole names
};

}  // namespace gpt2run::torch
