// The loader `gguf`, and the tokenizer in the same file.
#include "fuzz/target.hpp"
#include "gpt2run/error.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kGguf("gguf", [](std::string_view bytes) {
  static Files files({"model.gguf"});
  static const auto opened = loader("gguf");
  files.write("model.gguf", bytes);
  try {
    use_tokenizer(files.path("model.gguf"));
  } catch (const Error&) {  // the model is read all the same
  }
  open_model(*opened, files.path("model.gguf"));
});

}  // namespace
}  // namespace gpt2run::fuzz
