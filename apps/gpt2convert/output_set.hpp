// The output files of a conversion. They appear under their names only when all of them are complete.
#pragma once
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/pipeline/run_files.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run::convert {

// Owns the files until they are published. Without publish(), its destructor removes all files and the folders that
// were created for them. Used by one thread at a time.
class OutputSet {
 public:
  // inputs: files that are read, which are never replaced. sums: the list of add_sums(). force: whether other files may
  // be replaced.
  OutputSet(std::vector<std::filesystem::path> inputs, std::filesystem::path sums, bool force)
      : inputs_(std::move(inputs)), sums_(std::move(sums)), force_(force) {}
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;

  // Adds a file and returns it for writing. Throws Error if a file of that name, or the list of sums, exists and must
  // not be replaced: this is seen before the work, which may take minutes.
  OutputFile& add(const std::filesystem::path& path);

  // Adds a file with this content, unless it exists with the same content.
  void add(const std::filesystem::path& path, std::string_view bytes);

  // Adds the list with the SHA-256 of all files so far, in the form of the program sha256sum. Nothing more is written
  // to them then.
  void add_sums();

  // Throws Error if this file exists, because loaders would read it together with the new files.
  void refuse(const std::filesystem::path& path) const;

  // Lets all files appear under their names. Throws Error.
  void publish();

  const std::deque<OutputFile>& files() const { return files_; }

 private:
  void check(const std::filesystem::path& path) const;

  std::vector<std::filesystem::path> inputs_;
  std::filesystem::path sums_;
  bool force_;
  MadeFolders made_folders_;  // destroyed after the files
  std::deque<OutputFile> files_;
  std::vector<std::filesystem::path> unchanged_;  // files that held their bytes before
};

}  // namespace gpt2run::convert
