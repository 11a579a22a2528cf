// The files of one conversion: none of them is there until all are whole.
#pragma once
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run::convert {

class OutputSet {
 public:
  // inputs: files that are read and must stay. force: other files may be replaced.
  OutputSet(std::vector<std::filesystem::path> inputs, bool force) : inputs_(std::move(inputs)), force_(force) {}
  ~OutputSet();  // without publish() neither a file nor a new folder is left
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;

  // The next file. Throws Error where one is that must not be replaced.
  OutputFile& add(const std::filesystem::path& path);

  // A small file, whole; one that is there with the same bytes stays.
  void add(const std::filesystem::path& path, std::string_view bytes);

  // Throws Error if the file is there: what is written would be read together with it.
  void refuse(const std::filesystem::path& path) const;

  void publish();  // all files get their names

  const std::deque<OutputFile>& files() const { return files_; }

 private:
  std::vector<std::filesystem::path> inputs_;
  bool force_;
  std::vector<std::filesystem::path> new_folders_;  // outer ones first
  std::deque<OutputFile> files_;
};

}  // namespace gpt2run::convert
