// Loader huggingface: a folder with config.json and safetensors files, as transformers writes it.
#include <filesystem>
#include <string>

#include "../common/config.hpp"
#include "../common/foreign.hpp"
#include "../common/gpt2_checkpoint.hpp"
#include "../common/quantised.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "weight_files.hpp"

namespace gpt2run::huggingface {
namespace {

namespace fs = std::filesystem;

// Throws Error where config.json is missing, saying what is there. weights: the same folder, or a file of weights.
void check_config(const fs::path& folder, const fs::path& weights, const Host& host) {
  const fs::path config = folder / "config.json";
  if (is_there(config)) return;
  if (weights != folder) {
    open_weights(weights, host);  // throws for what is wrong with the file itself, which comes first
    fail(weights.string(), ": expected the model's settings beside it, in ", config.string(),
         ", found none: copy them from where the model is from");
  }
  const std::string foreign = loaders::foreign_in(folder);
  fail(folder.string(), ": expected a model, config.json with its weights, found ",
       foreign.empty() ? "no config.json" : foreign);
}

// folder: the one with config.json. weights: the same folder, or a file of weights.
std::unique_ptr<Checkpoint> open_model(const fs::path& folder, const fs::path& weights, const Host& host) {
  check_config(folder, weights, host);
  const loaders::FolderConfig config = loaders::read_config((folder / "config.json").string(), host);
  loaders::StoredTensors tensors = open_weights(weights, host);
  if (config.quantised)
    loaders::check_orientation(tensors);
  else if (loaders::is_linear_layout(tensors))
    host.log(1, (tensors.path() + ": matrices are stored as nn.Linear has them (nanoGPT), not as Conv1D").c_str());
  return std::make_unique<loaders::Gpt2Checkpoint>(config.model, config.tied, std::move(tensors),
                                                   loaders::tokenizer_in(folder), host, config.quantised);
}

class HuggingfaceLoader final : public Loader {
 public:
  HuggingfaceLoader(const Options&, const Host& host) : host_(host) {}

  // Any folder is accepted with a low score, so that open() can say what is missing in it, and so is a file that is
  // known to be of no use here, so that open() can say what it is.
  int probe(const char* path) const override {
    const fs::path given(path);
    if (is_folder(given)) return probe_folder(given);
    if (given.filename() == "config.json") return probe_folder(parent_of(given));
    return is_weights(given) ? 10 : loaders::foreign_file(given).empty() ? 0 : 1;
  }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    try {
      const fs::path given(path);
      if (!is_there(given)) fail(path, ": expected a folder with config.json and model.safetensors, found nothing");
      if (is_folder(given)) return open_model(given, given, host_);
      const std::string foreign = loaders::foreign_file(given);
      if (!foreign.empty() && (!is_weights(given) || given.filename().string().starts_with("adapter_")))
        fail(path, ": expected the weights of a model, found ", foreign);
      const fs::path folder = parent_of(given);
      return open_model(folder, is_weights(given) ? given : folder, host_);
    } catch (const fs::filesystem_error& error) {
      fail(path, ": ", error.code().message());
    } catch (const std::bad_alloc&) {
      fail(path, ": expected memory for the description of the weights, found none");
    }
  }

 private:
  static fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : "."; }
  static bool is_weights(const fs::path& file) {
    return file.extension() == ".safetensors" || file.filename().string().ends_with(".safetensors.index.json");
  }
  static int probe_folder(const fs::path& folder) {
    if (!is_there(folder / "config.json")) return 1;
    return has_weights(folder) ? 10 : 2;
  }

  Host host_;
};

}  // namespace
}  // namespace gpt2run::huggingface

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::huggingface::HuggingfaceLoader>(
    gpt2run::Kind::loader, false, "huggingface", "0.1.0",
    "a folder with config.json and safetensors (F64, F32, F16, BF16, int8 and int4 of gpt2convert, one file or "
    "shards)");
