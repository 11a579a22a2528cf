// Hugging Face's tokenizer.json.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kTokenizerJson("tokenizer_json", [](std::string_view bytes) {
  static Files files({"tokenizer.json"});
  files.write("tokenizer.json", bytes);
  use_tokenizer(files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
