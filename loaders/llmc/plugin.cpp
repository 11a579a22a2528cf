// Loader llmc: a checkpoint file of llm.c. Each weight is stored for all layers together, as (out, in), and used in
// place.
#include <filesystem>
#include <string>

#include "../common/limits.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "header.hpp"

namespace gpt2run::llmc {
namespace {

// The weights are in the order of the contract: wte (padded), wpe, the twelve of the layers, lnf_w, lnf_b. There is no
// head, because it is tied.
constexpr int kStored = kWeights - 1;
static_assert(static_cast<int>(Weight::head_w) == kStored);

constexpr const char* kTokenizerName = "gpt2_tokenizer.bin";  // the name that llm.c's script gives it

int64_t elements_of(Weight weight, const Header& header) {
  if (weight == Weight::wte) return int64_t{header.padded_vocab} * header.model.C;
  const Shape shape = shape_of(weight, header.model);
  return shape.rows * shape.cols;
}

class LlmcCheckpoint final : public Checkpoint {
 public:
  explicit LlmcCheckpoint(const std::string& path) : file_(path), header_(read_header(file_)) {
    const ModelConfig& m = header_.model;
    int64_t at = kHeaderBytes;
    for (int i = 0; i < kStored; ++i) {  // `at` stays below 2^60 by the limits of the header
      const auto weight = static_cast<Weight>(i);
      begins_[i] = at;
      at += elements_of(weight, header_) * (is_per_layer(weight) ? m.L : 1) * bytes_of(header_.type);
    }
    const auto found = static_cast<int64_t>(file_.bytes().size());
    if (found != at) {
      fail(path, ": expected ", at, " bytes for max T ", m.T, ", V ", m.V, " (padded ", header_.padded_vocab, "), L ",
           m.L, ", C ", m.C, " in ", name_of(header_.type), ", found ", found,
           found < at ? ": it was cut, download or copy it again" : "");
    }
    const auto beside = std::filesystem::path(path).replace_filename(kTokenizerName);
    if (is_there(beside)) tokenizer_ = beside.string();
  }

  const ModelConfig& config() const override { return header_.model; }
  const char* tokenizer() const override { return tokenizer_.empty() ? nullptr : tokenizer_.c_str(); }

  Tensor tensor(Weight weight, int layer) const override {
    loaders::check_layer(file_.path(), weight, layer, header_.model);
    if (weight == Weight::head_w) weight = Weight::wte;
    const Shape shape = shape_of(weight, header_.model);
    const int64_t begin =
        begins_[static_cast<size_t>(weight)] + layer * elements_of(weight, header_) * bytes_of(header_.type);
    return {file_.bytes().data() + begin, header_.type, shape.rows, shape.cols, shape.cols, 1};
  }

  void release(Weight weight, int layer) const override {
    const Tensor t = tensor(weight, layer);
    file_.release({static_cast<const char*>(t.data), loaders::bytes_between_ends(t)});
  }

 private:
  loaders::MappedFile file_;
  Header header_;
  int64_t begins_[kStored];  // for each weight, the offset of layer 0 in the file
  std::string tokenizer_;    // path of the tokenizer file beside the checkpoint, or empty
};

class LlmcLoader final : public Loader {
 public:
  LlmcLoader(const Options&, const Host&) {}

  // A checkpoint in the wrong byte order is accepted with a low score, so that open() can say so.
  int probe(const char* path) const override {
    const uint32_t word = first_word(path);
    return word == kMagic ? 10 : word == byte_swapped(kMagic) ? 1 : 0;
  }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    if (is_folder(path)) fail(path, ": expected a checkpoint file of llm.c, found a folder: name the .bin file in it");
    return std::make_unique<LlmcCheckpoint>(path);
  }
};

}  // namespace
}  // namespace gpt2run::llmc

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::llmc::LlmcLoader>(
    gpt2run::Kind::loader, false, "llmc", "0.1.0", "a checkpoint file of llm.c (version 3: FP32, version 5: BF16)");
