// nanoGPT's table of characters.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kMetaPkl("meta_pkl", [](std::string_view bytes) {
  static Files files({"meta.pkl"});
  files.write("meta.pkl", bytes);
  use_tokenizer(files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
