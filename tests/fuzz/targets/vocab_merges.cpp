// vocab.json and merges.txt.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kVocabMerges("vocab_merges", [](std::string_view bytes) {
  static Files files({"vocab.json", "merges.txt"});
  const std::vector<std::string> parts = parts_of(bytes, 2);
  files.write("vocab.json", parts[0]);
  files.write("merges.txt", parts[1]);
  use_tokenizer(files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
