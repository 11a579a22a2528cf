// Loader tensorflow: the files of OpenAI's own release, hparams.json with the checkpoint model.ckpt of TensorFlow.
#include <algorithm>
#include <filesystem>

#include "../common/gpt2_checkpoint.hpp"
#include "../common/json.hpp"
#include "../common/limits.hpp"
#include "bundle.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run::tensorflow {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSettings = "hparams.json";

std::vector<fs::path> indexes_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::path& file : entries_of(folder))
    if (file.extension() == ".index") found.push_back(file);
  std::sort(found.begin(), found.end());
  return found;
}

// The index of the checkpoint that a named file belongs to; empty for a file of another name.
fs::path index_of(const fs::path& file) {
  const std::string extension = file.extension().string();
  if (extension == ".index") return file;
  if (extension == ".meta" || extension.starts_with(".data-")) return fs::path(file).replace_extension(".index");
  const fs::path index = file.string() + ".index";
  return is_there(index) ? index : fs::path();
}

// Of several checkpoints in a folder the file `checkpoint` names the last one.
fs::path find_index(const fs::path& folder) {
  const std::vector<fs::path> found = indexes_in(folder);
  if (found.size() == 1) return found.front();
  const fs::path latest = folder / "checkpoint";
  if (found.size() > 1 && is_there(latest)) {
    const loaders::MappedFile file(latest.string());
    const std::string_view text(file.bytes().data(), file.bytes().size());
    for (const fs::path& index : found)
      if (text.starts_with("model_checkpoint_path: \"" + index.stem().string() + "\"")) return index;
  }
  fail(folder.string(), ": expected one checkpoint of TensorFlow (model.ckpt.index), found ", found.size(),
       found.empty() ? "" : ": name one of them");
}

// The end of text is the tokenizer's; without one it is that of GPT-2's vocabulary.
int32_t end_of_text(const fs::path& tokenizer, int32_t V) {
  if (!is_there(tokenizer)) return V == 50257 ? V - 1 : -1;
  const loaders::MappedFile file(tokenizer.string());
  const json::Document document = loaders::parse_object(tokenizer.string(), file.bytes());
  const auto id = document.root().find_or_null("<|endoftext|>").as_integer();
  return id && *id >= 0 && *id < V ? static_cast<int32_t>(*id) : -1;
}

ModelConfig read_settings(const fs::path& folder) {
  const std::string path = (folder / kSettings).string();
  const loaders::MappedFile file(path);
  const json::Document document = loaders::parse_object(path, file.bytes());
  const auto size = [&](const char* key, int64_t most) {
    return static_cast<int32_t>(document.root().at(key).integer(1, most));
  };
  ModelConfig m{};
  m.L = size("n_layer", loaders::kMaxLayers);
  m.H = size("n_head", loaders::kMaxWidth);
  m.C = size("n_embd", loaders::kMaxWidth / 4);
  loaders::check_heads(path, "n_head", m);
  m.F = 4 * m.C;
  m.V = size("n_vocab", kMaxVocab);
  m.T = size("n_ctx", loaders::kMaxContext);
  m.epsilon = 1e-5f;
  m.end_of_text = end_of_text(folder / "encoder.json", m.V);
  return m;
}

class TensorflowLoader final : public Loader {
 public:
  TensorflowLoader(const Options& options, const Host& host) : host_(host), check_sums_(options.flag("check_sums")) {}

  int probe(const char* path) const override {
    const fs::path given(path);
    if (is_folder(given)) return indexes_in(given).empty() ? 0 : is_there(given / kSettings) ? 7 : 3;
    if (given.filename() == kSettings) return indexes_in(folder_of(given)).empty() ? 0 : 7;
    return index_of(given).empty() ? 0 : 7;
  }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    try {
      const fs::path given(path);
      const bool names_folder = is_folder(given), is_settings = given.filename() == kSettings;
      const fs::path folder = names_folder ? given : folder_of(given);
      const fs::path index = names_folder || is_settings ? find_index(folder) : index_of(given);
      if (index.empty()) fail(path, ": expected a folder with hparams.json and model.ckpt.index, found another file");
      const ModelConfig model = read_settings(folder);
      loaders::StoredTensors tensors(index.string());
      add_bundle(tensors, check_sums_);
      return std::make_unique<loaders::Gpt2Checkpoint>(model, true, std::move(tensors), loaders::tokenizer_in(folder),
                                                       host_);
    } catch (const fs::filesystem_error& error) {
      fail(path, ": ", error.code().message());
    } catch (const std::bad_alloc&) {
      fail(path, ": expected memory for the description of the weights, found none");
    }
  }

 private:
  static fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : "."; }

  Host host_;
  bool check_sums_;
};

constexpr OptionSpec kOptions[] = {
    {"check_sums", "bool", "off", "", "check the sums of the weights, for which all of them are read at the start"}};

}  // namespace
}  // namespace gpt2run::tensorflow

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::tensorflow::TensorflowLoader>(
    gpt2run::Kind::loader, false, "tensorflow", "0.1.0", "OpenAI's release: hparams.json and model.ckpt of TensorFlow",
    gpt2run::tensorflow::kOptions);
