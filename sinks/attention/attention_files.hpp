// The arrays of the sink attention, and the index that names them.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "attention_record.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {

// Files of one folder, which appear together. Every call throws Error when a file cannot be written.
class AttentionFiles {
 public:
  explicit AttentionFiles(std::string folder) : folder_(std::move(folder)) {}

  // Opens the index, so that another output of this run with its name is noticed. To be called before the others.
  void begin() { index_file_.emplace(index_path()); }
  // Takes the sequence into the index, and with `arrays` writes a file (heads, tokens, tokens) for each of its layers.
  void add(uint64_t sequence, const AttentionRecord& record, int heads, bool arrays);
  // Writes the index and lets all files appear under their names, and after them the page, which may be null.
  void publish(OutputFile* page);

  // True before the first add().
  bool is_empty() const { return index_.empty(); }
  size_t arrays() const { return arrays_.size(); }
  const std::vector<OutputFile>& files() const { return arrays_; }
  std::string index_path() const { return folder_ + "/attention.json"; }

 private:
  std::string folder_;
  std::string index_;  // the sequences so far, as JSON without brackets
  std::optional<OutputFile> index_file_;
  std::vector<OutputFile> arrays_;  // complete, not yet under their names
};

}  // namespace gpt2run
