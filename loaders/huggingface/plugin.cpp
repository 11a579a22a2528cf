// Loader huggingface: a folder with config.json and safetensors files, as transformers writes it.
#include <array>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "../common/limits.hpp"
#include "config.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "weight_files.hpp"

namespace gpt2run::huggingface {
namespace {

namespace fs = std::filesystem;

// The name of a weight in transformers, without "transformer.".
std::string stored_name(Weight weight, int layer) {
  constexpr const char* kNames[kWeights] = {
      "wte.weight",         "wpe.weight",       "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
      "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",    "mlp.c_fc.bias",
      "mlp.c_proj.weight",  "mlp.c_proj.bias",  "ln_f.weight", "ln_f.bias", "lm_head.weight"};
  const std::string name = kNames[static_cast<size_t>(weight)];
  return is_per_layer(weight) ? "h." + std::to_string(layer) + "." + name : name;
}

// Whether a weight is stored transposed: transformers keeps the matrices of its Conv1D layers as (in, out), all others
// as (out, in).
bool is_transposed(Weight weight) {
  return weight == Weight::qkv_w || weight == Weight::proj_w || weight == Weight::up_w || weight == Weight::down_w;
}

Type type_of(const std::string& where, const std::string& dtype) {
  if (dtype == "F32") return Type::f32;
  if (dtype == "F16") return Type::f16;
  if (dtype == "BF16") return Type::bf16;
  fail(where, ": expected F32, F16 or BF16, found ", dtype);
}

// Decided by name, because a matrix may also have a single column.
bool is_vector(Weight weight) {
  const std::string_view name = name_of(weight);
  return name.starts_with("ln") || name.ends_with("_b");
}

// A view of a stored tensor. Throws Error unless it has exactly the expected shape and a supported type.
Tensor view(const StoredTensor& stored, const std::string& name, Weight weight, const ModelConfig& m) {
  const std::string where = *stored.path + ": " + in_quotes(name);
  const Shape shape = shape_of(weight, m);
  const bool transposed = is_transposed(weight);
  std::vector<int64_t> expected = {shape.rows};
  if (!is_vector(weight))
    expected = transposed ? std::vector{shape.cols, shape.rows} : std::vector{shape.rows, shape.cols};
  if (stored.shape != expected) {
    fail(where, ": expected shape ", shape_text(expected), ", found ", shape_text(stored.shape));
  }
  const Type type = type_of(where, stored.dtype);
  return transposed ? Tensor{stored.data, type, shape.rows, shape.cols, 1, shape.rows}
                    : Tensor{stored.data, type, shape.rows, shape.cols, shape.cols, 1};
}

class HuggingfaceCheckpoint final : public Checkpoint {
 public:
  // folder: the one with config.json. weights: the same folder, or a safetensors file.
  HuggingfaceCheckpoint(const fs::path& folder, const fs::path& weights, const Host& host)
      : settings_(read_config((folder / "config.json").string())), files_(weights.string()) {
    const ModelConfig& m = settings_.model;
    for (int layer = 0; layer < m.L; ++layer) {
      for (int i = 0; i < kWeights; ++i) known_.insert(stored_name(static_cast<Weight>(i), layer));
    }
    for (int layer = 0; layer < m.L; ++layer) {
      auto& row = layers_.emplace_back();
      for (int i = 0; i < kWeights; ++i) {
        const auto weight = static_cast<Weight>(i);
        if (layer > 0 && !is_per_layer(weight)) continue;
        row[i] = weight == Weight::head_w ? head(layers_[0][0], host) : fetch(weight, layer);
      }
    }
    const auto data_of = [&](Weight weight) { return layers_[0][static_cast<size_t>(weight)].data; };
    settings_.model.tied_head = data_of(Weight::head_w) == data_of(Weight::wte);
    files_.log_unknown(host, known_);
    if (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt")) tokenizer_ = folder.string();
  }

  const ModelConfig& config() const override { return settings_.model; }
  const char* tokenizer() const override { return tokenizer_.empty() ? nullptr : tokenizer_.c_str(); }

  Tensor tensor(Weight weight, int layer) const override {
    loaders::check_layer(files_.path(), weight, layer, settings_.model);
    return layers_[layer][static_cast<size_t>(weight)];
  }

 private:
  Tensor fetch(Weight weight, int layer) const {
    const std::string name = stored_name(weight, layer);
    const StoredTensor* stored = files_.find(name);
    if (!stored) {
      fail(files_.path(), ": expected tensor ", in_quotes(name),
           ", found none; nearest: ", files_.nearest(name, known_));
    }
    return view(*stored, name, weight, settings_.model);
  }

  // A stored head is used even if config.json says that it is tied, except that an exact copy of wte counts as tied.
  Tensor head(const Tensor& wte, const Host& host) const {
    const StoredTensor* stored = files_.find(stored_name(Weight::head_w, 0));
    if (!stored && settings_.tied) return wte;
    const Tensor own = fetch(Weight::head_w, 0);
    if (!settings_.tied) return own;
    if (own.type == wte.type && std::memcmp(own.data, wte.data, stored->bytes) == 0) return wte;
    host.log(2, (files_.path() +
                 ": tie_word_embeddings is true, but lm_head.weight differs from wte.weight: the stored head is used")
                    .c_str());
    return own;
  }

  FolderConfig settings_;
  WeightFiles files_;
  std::set<std::string> known_;                       // the names of all tensors of a GPT-2 with this many layers
  std::vector<std::array<Tensor, kWeights>> layers_;  // [layer][weight]; weights outside of layers are in layer 0
  std::string tokenizer_;
};

class HuggingfaceLoader final : public Loader {
 public:
  HuggingfaceLoader(const Options&, const Host& host) : host_(host) {}

  // Any folder is accepted with a low score, so that open() can say what is missing in it.
  int probe(const char* path) const override {
    std::error_code ignored;
    const fs::path given(path);
    if (fs::is_directory(given, ignored)) return fs::exists(given / "config.json", ignored) ? 10 : 1;
    return is_weights(given) || is_beside_weights(given) ? 10 : 0;
  }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    try {
      const fs::path given(path);
      if (!fs::exists(given)) fail(path, ": expected a folder with config.json and model.safetensors, found nothing");
      if (fs::is_directory(given)) return std::make_unique<HuggingfaceCheckpoint>(given, given, host_);
      const fs::path folder = given.has_parent_path() ? given.parent_path() : ".";
      return std::make_unique<HuggingfaceCheckpoint>(folder, is_weights(given) ? given : folder, host_);
    } catch (const fs::filesystem_error& error) {
      fail(path, ": ", error.code().message());
    } catch (const std::bad_alloc&) {
      fail(path, ": expected memory for the description of the weights, found none");
    }
  }

 private:
  static bool is_weights(const fs::path& file) { return file.extension() == ".safetensors"; }
  static bool is_beside_weights(const fs::path& file) {
    return file.filename() == "config.json" || file.filename() == "model.safetensors.index.json";
  }

  Host host_;
};

}  // namespace
}  // namespace gpt2run::huggingface

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::huggingface::HuggingfaceLoader>(
    gpt2run::Kind::loader, false, "huggingface", "0.1.0",
    "a folder with config.json and safetensors (F32, F16, BF16, one file or shards)");
