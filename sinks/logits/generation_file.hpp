// The files of one sequence: the JSON array of its steps and, where logits go into an array file, generation_*.npy.
// Streamed: no more than a buffer of a file is in memory. docs/formats.md describes both files.
#pragma once
#include <optional>
#include <string>

#include "gpt2run/sdk/output_file.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

class GenerationFile {
 public:
  // stem: the path without extension. npy: logits go to stem.npy, not into the JSON. Throws Error, as all below.
  GenerationFile(const std::string& stem, bool npy);

  void add(const TokenEvent& event);
  void finish(std::string_view tail);  // the files are whole, under their temporary names
  void publish();                      // and now under their own

  const std::string& path() const { return json_.path(); }

 private:
  void open_step(const TokenEvent& event);
  void add_logits(const TokenEvent& event);

  OutputFile json_;
  std::optional<OutputFile> npy_;
  std::string text_;  // of the last step, which the tail may lengthen
  int64_t steps_ = 0, vocab_ = 0;
  double logprob_sum_ = 0;
};

}  // namespace gpt2run
