// The loader `huggingface`: the index of a model in several files.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kIndex("hf_index", [](std::string_view bytes) {
  static Files files({"model.safetensors.index.json"});
  static const auto opened = [] {
    const std::string model = "tests/golden/models/bf16-sharded/";
    for (const char* name : {"config.json", "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                             "model-00003-of-00003.safetensors"})
      files.copy(name, model + name);
    return loader("huggingface");
  }();
  files.write("model.safetensors.index.json", bytes);
  open_model(*opened, files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
