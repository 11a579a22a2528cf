// llm.c's tokenizer file.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kLlmcTokenizer("llmc_tokenizer", [](std::string_view bytes) {
  static Files files({"gpt2_tokenizer.bin"});
  files.write("gpt2_tokenizer.bin", bytes);
  use_tokenizer(files.path("gpt2_tokenizer.bin"));
});

}  // namespace
}  // namespace gpt2run::fuzz
