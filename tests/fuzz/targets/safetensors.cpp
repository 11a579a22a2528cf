// The loader `huggingface`: model.safetensors beside a fixed config.json.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kSafetensors("safetensors", [](std::string_view bytes) {
  static Files files({"model.safetensors"});
  static const auto opened = [] {
    files.copy("config.json", "tests/golden/models/tanh/config.json");
    return loader("huggingface");
  }();
  files.write("model.safetensors", bytes);
  open_model(*opened, files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
