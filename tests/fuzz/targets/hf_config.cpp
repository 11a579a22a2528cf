// The loader `huggingface`: config.json and generation_config.json beside fixed weights.
#include "fuzz/target.hpp"

namespace gpt2run::fuzz {
namespace {

const Registration kConfig("hf_config", [](std::string_view bytes) {
  static Files files({"config.json", "generation_config.json"});
  static const auto opened = [] {
    files.copy("model.safetensors", "tests/golden/models/tanh/model.safetensors");
    return loader("huggingface");
  }();
  const std::vector<std::string> parts = parts_of(bytes, 2);
  files.write("config.json", parts[0]);
  files.write("generation_config.json", parts[1].empty() ? "{}" : parts[1]);
  open_model(*opened, files.path());
});

}  // namespace
}  // namespace gpt2run::fuzz
