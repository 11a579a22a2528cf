// BERT's vocab.txt.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kVocabTxt("vocab_txt", [](std::string_view bytes) {
  static Files files({"vocab.txt"});
  files.write("vocab.txt", bytes);
  use_tokenizer(files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
