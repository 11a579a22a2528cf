// Loader torch: what torch.save() wrote. pytorch_model.bin with config.json, as transformers had it before safetensors,
// also in shards; and the checkpoints of nanoGPT and minGPT.
#include <filesystem>

#include "../common/config.hpp"
#include "../common/gpt2_checkpoint.hpp"
#include "../common/shards.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "model_files.hpp"
#include "sizes.hpp"

namespace gpt2run::torch {
namespace {

namespace fs = std::filesystem;

// A model while it is opened. The pickles are dropped when it is open; the mapped files go to the checkpoint.
class Opening {
 public:
  Opening(const fs::path& file, bool check_sums, const Host& host)
      : tensors_(file.string()), file_(file), check_sums_(check_sums), host_(host) {
    if (is_index(file)) {
      loaders::add_shards(tensors_, file.stem().stem().extension().string(),
                          [&](const std::string& shard) { add_file(shard); });
    } else {
      add_file(file.string());
    }
    tensors_.strip_prefixes();
  }

  std::unique_ptr<Checkpoint> open(int64_t heads, std::string_view activation) && {
    const fs::path folder = parent_of(file_), config = folder / "config.json";
    loaders::FolderConfig settings{};
    std::optional<bool> tied;
    const std::optional<Arguments> arguments = find_arguments(config);
    if (arguments) {
      settings.model = sizes_of(tensors_, *arguments, heads);
      if (is_nanogpt_) settings.model.activation = Activation::gelu_erf;
      if (is_nanogpt_ && activation == "auto")
        host_.log(1, (tensors_.path() + ": a checkpoint of nanoGPT: the exact GELU is taken; its older versions need " +
                      "activation=gelu_tanh (--loader.activation gelu_tanh)")
                         .c_str());
    } else {
      settings = loaders::read_config(config.string(), host_);
      if (settings.quantised)
        fail(config.string(), ": quantization_config: expected none, found ", name_of(*settings.quantised),
             ", which only safetensors files hold");
      tied = settings.tied;
    }
    if (activation == "gelu_tanh") settings.model.activation = Activation::gelu_tanh;
    if (activation == "gelu_erf") settings.model.activation = Activation::gelu_erf;
    return std::make_unique<loaders::Gpt2Checkpoint>(settings.model, tied, std::move(tensors_),
                                                     loaders::tokenizer_in(folder), host_);
  }

 private:
  void add_file(const std::string& path) {
    const TorchFile file(tensors_.map(path, false));
    const ModelDict model = find_model(file);
    add_tensors(tensors_, file, model);
    if (check_sums_ && !file.check_sums(model.weights))
      host_.log(2, (path + ": check_sums: files of before PyTorch 1.6 have no sums, nothing is checked").c_str());
    if (!model.settings) return;
    arguments_ = read_arguments(file, *model.settings);
    is_nanogpt_ = model.is_nanogpt;
  }

  // Nothing if config.json is that of transformers.
  std::optional<Arguments> find_arguments(const fs::path& config) const {
    if (arguments_) return arguments_;
    if (is_there(config)) return read_mingpt_config(config.string());
    return Arguments{};
  }

  loaders::StoredTensors tensors_;
  fs::path file_;
  bool check_sums_;
  Host host_;
  std::optional<Arguments> arguments_;  // those in the file
  bool is_nanogpt_ = false;
};

class TorchLoader final : public Loader {
 public:
  TorchLoader(const Options& options, const Host& host)
      : host_(host),
        heads_(options.integer("heads")),
        activation_(options.text("activation")),
        check_sums_(options.flag("check_sums")) {}

  int probe(const char* path) const override { return score_of(path); }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    try {
      return Opening(find_file(path, host_), check_sums_, host_).open(heads_, activation_);
    } catch (const fs::filesystem_error& error) {
      fail(path, ": ", error.code().message());
    } catch (const std::bad_alloc&) {
      fail(path, ": expected memory for the description of the weights, found none");
    }
  }

 private:
  Host host_;
  int64_t heads_;
  std::string activation_;
  bool check_sums_;
};

constexpr OptionSpec kOptions[] = {
    {"heads", "int", "0", "[0, 1048576]", "attention heads of a model whose file does not say; 0: as the file says"},
    {"activation", "enum", "auto", "auto|gelu_tanh|gelu_erf",
     "GELU of the MLP; auto: as config.json says, gelu_erf for nanoGPT's checkpoints, else gelu_tanh"},
    {"check_sums", "bool", "off", "", "check the sums of the weights, for which all of them are read at the start"}};

}  // namespace
}  // namespace gpt2run::torch

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::torch::TorchLoader>(
    gpt2run::Kind::loader, false, "torch", "0.1.0",
    "pytorch_model.bin with config.json, and checkpoints of nanoGPT and minGPT (F64, F32, F16, BF16)",
    gpt2run::torch::kOptions);
