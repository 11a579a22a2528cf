// Comparison from files: two folders of generations, each an array of steps with their logits, as the sink `logits`
// writes them (JSON, or npy beside it) and as the original did.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "gpt2compare/report.hpp"

namespace gpt2run {

// The files {folder}/generation_{name}_{sequence}.json. name: "" is the one that the folder has.
struct Generations {
  std::string option, folder, name;  // option: for messages, "--ref_folder"
};

class FolderComparison {
 public:
  // Throws Error for a folder that cannot be read or has no generations of that name, and for one with several names
  // when none is given, which it lists; also when no sequence is in both.
  FolderComparison(Generations ref, Generations test);

  // Pairs sequences by their number and compares their steps as long as the tokens before are equal; the target is the
  // reference's token. Once. One step of the test and one sequence of the reference are in memory. Throws Error naming
  // the file and the step: no JSON, another format, steps without logits, unequal vocabularies, NaN.
  void run(int32_t top_k, const std::function<void(int64_t done, int64_t total)>& progress);

  // As that of live precisions. A text is a sequence, in their order; positions are steps; there is no floor.
  const Comparison& comparison() const { return comparison_; }

  // What was left out, a line or more.
  std::string summary() const;

 private:
  class Words;

  void compare_sequence(int32_t text, int64_t sequence, DivergenceMeter& meter);

  Generations ref_, test_;
  std::vector<int64_t> sequences_;        // in both
  int64_t only_ref_ = 0, only_test_ = 0;  // sequences that the other folder has not
  int64_t apart_ = 0, left_out_ = 0;      // sequences that choose different tokens, and steps behind that
  std::shared_ptr<Words> words_;
  Comparison comparison_{};
};

}  // namespace gpt2run
