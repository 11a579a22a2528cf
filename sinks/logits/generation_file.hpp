// The files of one sequence: a JSON array of its steps and, optionally, its logits as a NumPy array. They are written
// step by step, so only a buffer of each is in memory. docs/formats.md describes both files.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// Writes the files of one sequence. Every call throws Error when a file cannot be written.
class GenerationFile {
 public:
  // stem: the path without extension. npy: whether logits go to stem.npy instead of the JSON.
  GenerationFile(const std::string& stem, bool npy);

  // Adds a step. The event must have logits.
  void add(const TokenEvent& event);
  // Completes the files, under temporary names. tail: text that belongs to the last step.
  void finish(std::string_view tail);
  // Adds the files to those that are to appear under their names.
  void add_to(std::vector<OutputFile*>& files);

  const std::string& path() const { return json_.path(); }

 private:
  void open_step(const TokenEvent& event);
  void add_logits(const TokenEvent& event);

  OutputFile json_;
  std::optional<OutputFile> npy_;
  std::string text_;  // of the last step, to which the tail is added
  int64_t steps_ = 0, vocab_ = 0;
  double logprob_sum_ = 0;
};

}  // namespace gpt2run
