// Comparison of two folders of generated sequences, in place of live precisions. Each file has the steps of a sequence
// with their logits, as the sink `logits` writes them (in the JSON, or in a .npy file beside it) and as the study did
// that this project follows.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "gpt2compare/report.hpp"

namespace gpt2run {

// One side: the files {folder}/generation_{name}_{sequence}.json. name: "" for the only name in the folder.
struct Generations {
  std::string option, folder, name;  // option: for messages, such as "--ref_folder"
};

// A comparison of two folders. Used by one thread at a time.
class FolderComparison {
 public:
  // Finds the files. Throws Error for a folder that cannot be read or has no generations of the name, for one that has
  // several names when none is given, and when no sequence is in both folders.
  FolderComparison(Generations ref, Generations test);

  // Pairs the sequences by their number, and compares their steps as long as all tokens before are equal. The target of
  // a step is the reference's token. To be called once. One sequence of the reference and one step of the test are in
  // memory at a time. Throws Error naming the file and the step, for wrong JSON or another format, steps without
  // logits, different vocabularies, and NaN.
  void run(int32_t top_k, const std::function<void(int64_t done, int64_t total)>& progress);

  // The results, in the same form as those of live precisions. Texts are the sequences in order, positions are steps,
  // and there is no floor.
  const Comparison& comparison() const { return comparison_; }

  // Which sequences and steps could not be compared, in one or more lines; "" for none.
  std::string summary() const;

 private:
  class Words;

  void compare_sequence(int32_t text, int64_t sequence, DivergenceMeter& meter);

  Generations ref_, test_;
  std::vector<int64_t> sequences_;        // those that are in both folders
  int64_t only_ref_ = 0, only_test_ = 0;  // how many sequences only one folder has
  int64_t apart_ = 0, left_out_ = 0;      // how many sequences differ in a token, and the steps after that
  std::shared_ptr<Words> words_;
  Comparison comparison_{};
};

}  // namespace gpt2run
