// Loader gguf: a file of llama.cpp with a model of the architecture gpt2. Floating-point tensors are used where they
// lie; quantised ones become FP32 on their first use, and are kept.
#include <array>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <new>

#include "../common/first_bytes.hpp"
#include "../common/foreign.hpp"
#include "../common/limits.hpp"
#include "directory.hpp"
#include "gpt2run/host_plugin.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "settings.hpp"

namespace gpt2run::gguf {
namespace {

namespace fs = std::filesystem;

// Reads the whole file's metadata, so that more is never needed.
Contents read_contents(const loaders::MappedFile& file) {
  const std::string_view bytes(file.bytes().data(), file.bytes().size());
  const std::string foreign = bytes.starts_with(kMagic) ? "" : loaders::foreign_format(file.bytes());
  if (!foreign.empty()) fail(file.path(), ": expected a GGUF file, found ", foreign);
  return std::move(*read(bytes, bytes.size(), file.path()));
}

class GgufCheckpoint final : public Checkpoint {
 public:
  GgufCheckpoint(const std::string& path, const Host& host) : file_(path) {
    const Contents contents = read_contents(file_);
    model_ = read_settings(contents, host);
    const auto tensors = place_tensors(contents, file_);
    for (int layer = 0; layer < model_.L; ++layer)
      for (int i = 0; i < kWeights; ++i) add(tensors, static_cast<Weight>(i), layer);
    model_.tied_head = slot_of(Weight::head_w, 0).stored.data == slot_of(Weight::wte, 0).stored.data;
    log_unknown(tensors, host);
    find_tokenizer(contents, host);
  }

  const ModelConfig& config() const override { return model_; }
  const char* tokenizer() const override { return tokenizer_.empty() ? nullptr : tokenizer_.c_str(); }

  Tensor tensor(Weight weight, int layer) const override {
    loaders::check_layer(file_.path(), weight, layer, model_);
    if (weight == Weight::head_w && model_.tied_head) weight = Weight::wte;
    const Shape shape = shape_of(weight, model_);
    Slot& slot = slot_of(weight, layer);
    if (!slot.stored.type->dequantise)
      return {slot.stored.data, slot.stored.type->stored, shape.rows, shape.cols, shape.cols, 1};
    const std::lock_guard guard(slot.mutex);
    if (!slot.values) slot.values = values_of(slot.stored, weight, shape.rows * shape.cols);
    return {slot.values.get(), Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

  void release(Weight weight, int layer) const override {
    if (weight == Weight::head_w && model_.tied_head) weight = Weight::wte;
    const PlacedTensor& stored = slot_of(weight, layer).stored;
    file_.release({stored.data, stored.bytes});
  }

 private:
  using Tensors = std::map<std::string_view, PlacedTensor>;

  struct Slot {
    PlacedTensor stored;
    std::mutex mutex;
    std::unique_ptr<float[]> values;  // of a quantised tensor, once it was asked for
  };

  Slot& slot_of(Weight weight, int layer) const {
    return *slots_[static_cast<size_t>(layer) * kWeights + static_cast<size_t>(weight)];
  }

  // Adds the slot of a weight; where the weight does not exist in this layer, an empty one.
  void add(const Tensors& tensors, Weight weight, int layer) {
    slots_.push_back(nullptr);
    if (layer > 0 && !is_per_layer(weight)) return;
    const std::string name = gguf::weight_name(weight, layer);
    const auto found = tensors.find(name);
    ++known_;
    slots_.back() = std::make_unique<Slot>();
    if (found == tensors.end() && weight == Weight::head_w) {
      slots_.back()->stored = slot_of(Weight::wte, 0).stored;
      --known_;
      return;
    }
    if (found == tensors.end()) fail(file_.path(), ": expected tensor ", in_quotes(name), ", found none");
    check_shape(name, found->second, weight);
    slots_.back()->stored = found->second;
    // Converters once wrote a second copy of the token embedding as the head.
    const PlacedTensor& wte = slot_of(Weight::wte, 0).stored;
    const PlacedTensor& own = found->second;
    if (weight == Weight::head_w && own.type == wte.type && std::memcmp(own.data, wte.data, own.bytes) == 0)
      slots_.back()->stored = wte;
  }

  void check_shape(const std::string& name, const PlacedTensor& tensor, Weight weight) const {
    const Shape shape = shape_of(weight, model_);
    const std::string_view end = name;
    const auto rows = static_cast<uint64_t>(shape.rows), cols = static_cast<uint64_t>(shape.cols);
    const bool is_vector = end.ends_with(".bias") || end.ends_with("norm.weight");
    const std::vector<uint64_t> expected = is_vector ? std::vector{rows} : std::vector{cols, rows};
    if (tensor.shape != expected)
      fail(file_.path(), ": tensor ", in_quotes(name), ": expected shape ", shape_text(expected), ", found ",
           shape_text(tensor.shape));
  }

  std::unique_ptr<float[]> values_of(const PlacedTensor& stored, Weight weight, int64_t count) const {
    std::unique_ptr<float[]> values(new (std::nothrow) float[static_cast<size_t>(count)]);
    if (!values) fail(file_.path(), ": ", name_of(weight), ": expected memory for ", count, " floats, found none");
    const auto* block = reinterpret_cast<const uint8_t*>(stored.data);
    for (int64_t at = 0; at < count; at += stored.type->elements, block += stored.type->bytes)
      stored.type->dequantise(block, values.get() + at);
    return values;
  }

  void log_unknown(const Tensors& tensors, const Host& host) const {
    if (tensors.size() == known_) return;
    host.log(
        2, (file_.path() + ": ignored " + std::to_string(tensors.size() - known_) + " tensors that GPT-2 does not have")
               .c_str());
  }

  void find_tokenizer(const Contents& contents, const Host& host) {
    const std::string problem = tokenizer_problem(contents);
    if (problem.empty()) {
      tokenizer_ = file_.path();
    } else if (contents.values.contains("tokenizer.ggml.tokens")) {
      host.log(2, (file_.path() + ": its tokenizer is not read: " + problem).c_str());
    }
  }

  loaders::MappedFile file_;
  ModelConfig model_{};
  std::vector<std::unique_ptr<Slot>> slots_;  // [layer][weight]; weights outside of layers are in layer 0
  size_t known_ = 0;                          // tensors of the file that are weights
  std::string tokenizer_;
};

// The .gguf files in a folder.
std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const fs::path& file : entries_of(folder))
    if (file.extension() == ".gguf") files.push_back(file);
  return files;
}

class GgufLoader final : public Loader {
 public:
  GgufLoader(const Options&, const Host& host) : host_(host) {}

  // A folder that has one file of the format stands for it, unless another loader knows the folder better.
  int probe(const char* path) const override {
    if (is_folder(path)) return files_in(path).empty() ? 0 : 5;
    if (loaders::first_bytes(path, kMagic.size()) == kMagic) return 10;
    return fs::path(path).extension() == ".gguf" && is_there(path) ? 2 : 0;  // so that open() can say what it is
  }

  std::unique_ptr<Checkpoint> open(const char* path) override {
    try {
      if (!is_folder(path)) return std::make_unique<GgufCheckpoint>(path, host_);
      const std::vector<fs::path> files = files_in(path);
      if (files.size() != 1)
        fail(path, ": expected one .gguf file in the folder, found ", files.size(), ": name the file");
      return std::make_unique<GgufCheckpoint>(files.front().string(), host_);
    } catch (const std::bad_alloc&) {
      fail(path, ": expected memory for the description of the weights, found none");
    }
  }

 private:
  Host host_;
};

}  // namespace
}  // namespace gpt2run::gguf

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::gguf::GgufLoader>(
    gpt2run::Kind::loader, false, "gguf", "0.1.0",
    "a GGUF file of llama.cpp (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K)");
