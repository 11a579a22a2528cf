// Loader flat: a file with one line of text, "flat L H C F V T end_of_text epsilon", followed by the weights in FP32.
// They are in the order of `Weight`, each for all layers together, as (out, in). The head is tied to wte.
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gpt2run/loader.hpp"

namespace {

using namespace gpt2run;

constexpr int32_t kMost = 1 << 19;  // per dimension, so that the size of all weights fits into 64 bits

ModelConfig read_config(std::ifstream& file, const std::string& path) {
  std::string line(200, '\0'), word;
  file.getline(line.data(), static_cast<std::streamsize>(line.size()));
  std::istringstream words(line.c_str());
  ModelConfig m{};
  words >> word >> m.L >> m.H >> m.C >> m.F >> m.V >> m.T >> m.end_of_text >> m.epsilon;
  m.tied_head = true;
  if (!file || !words || word != "flat") fail(path, ": expected a first line of \"flat\" and eight numbers");
  for (const int32_t size : {m.L, m.H, m.C, m.F, m.V, m.T})
    if (size < 1 || size > kMost) fail(path, ": expected sizes of 1 to ", kMost, ", found ", size);
  if (m.C % m.H != 0) fail(path, ": expected C to be a multiple of H, found ", m.C, " and ", m.H);
  if (m.end_of_text < -1 || m.end_of_text >= m.V)
    fail(path, ": expected end_of_text in [-1, V), found ", m.end_of_text);
  if (!(m.epsilon > 0)) fail(path, ": expected epsilon above 0, found ", m.epsilon);
  return m;
}

class FlatCheckpoint final : public Checkpoint {
 public:
  explicit FlatCheckpoint(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file || !std::filesystem::is_regular_file(path)) fail(path, ": expected a file that can be read");
    config_ = read_config(file, path);
    int64_t count = 0;
    for (int w = 0; w <= static_cast<int>(Weight::lnf_b); ++w) {
      const auto weight = static_cast<Weight>(w);
      begins_[w] = count;
      count += elements(weight) * (is_per_layer(weight) ? config_.L : 1);
    }
    const auto stored = static_cast<int64_t>(std::filesystem::file_size(path)) - file.tellg();
    if (stored != count * 4) fail(path, ": expected ", count * 4, " bytes behind the first line, found ", stored);
    values_.resize(count);
    file.read(reinterpret_cast<char*>(values_.data()), stored);
    if (!file) fail(path, ": cannot be read to its end");
  }

  const ModelConfig& config() const override { return config_; }
  const char* tokenizer() const override { return nullptr; }

  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w) weight = Weight::wte;
    if (layer < 0 || layer >= (is_per_layer(weight) ? config_.L : 1))
      fail(name_of(weight), ": there is no layer ", layer);
    const Shape shape = shape_of(weight, config_);
    const float* data = &values_[begins_[static_cast<int>(weight)] + layer * elements(weight)];
    return {data, Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

 private:
  int64_t elements(Weight weight) const {
    const Shape shape = shape_of(weight, config_);
    return shape.rows * shape.cols;
  }

  ModelConfig config_;
  int64_t begins_[kWeights];  // for each weight, the index of layer 0 in values_
  std::vector<float> values_;
};

class FlatLoader final : public Loader {
 public:
  FlatLoader(const Options&, const Host&) {}
  int probe(const char* path) const override {
    char start[5] = {};
    std::ifstream(path, std::ios::binary).read(start, sizeof start);
    return std::string_view(start, sizeof start) == "flat " ? 10 : 0;
  }
  std::unique_ptr<Checkpoint> open(const char* path) override { return std::make_unique<FlatCheckpoint>(path); }
};

}  // namespace

GPT2RUN_PLUGIN = {
    .abi = kAbi,
    .tag = kTag,
    .kind = Kind::loader,
    .space = Space::host,
    .selects = false,
    .name = "flat",
    .version = "1.0",
    .summary = "one line of sizes, then all weights in FP32",
    .options = nullptr,
    .option_count = 0,
    .probe = runs_everywhere,
    .create = make<Loader, FlatLoader>,
};
