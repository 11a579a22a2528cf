// Loader frozen: a file with one line, "frozen L H C F V T end_of_text epsilon", and behind it the weights as FP32 in
// the order of `Weight`, each as (out, in) over all layers, but for the head, which is wte.
#include "gpt2run/loader.hpp"

#include <fstream>
#include <string>
#include <vector>

#include "gpt2run/host_plugin.hpp"

namespace gpt2run {
namespace {

class FrozenCheckpoint final : public Checkpoint {
 public:
  explicit FrozenCheckpoint(const char* path) {
    std::ifstream file(path, std::ios::binary);
    std::string word;
    ModelConfig& m = config_;
    file >> word >> m.L >> m.H >> m.C >> m.F >> m.V >> m.T >> m.end_of_text >> m.epsilon;
    file.ignore(1);
    for (int w = 0; w < static_cast<int>(Weight::head_w); ++w) {
      const auto weight = static_cast<Weight>(w);
      for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer) {
        const Shape shape = shape_of(weight, m);
        std::vector<float>& values = weights_[w].emplace_back(shape.rows * shape.cols);
        file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
      }
    }
    if (!file || word != "frozen") fail(path, ": expected a first line of \"frozen\" and all weights");
  }

  const ModelConfig& config() const override { return config_; }
  const char* tokenizer() const override { return nullptr; }
  Tensor tensor(Weight weight, int layer) const override {
    if (weight == Weight::head_w) weight = Weight::wte;
    const Shape shape = shape_of(weight, config_);
    return {weights_[static_cast<int>(weight)].at(layer).data(), Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

 private:
  ModelConfig config_ = {};
  std::vector<std::vector<float>> weights_[kWeights];  // by weight, then layer
};

struct Frozen final : Loader {
  Frozen(const Options&, const Host&) {}
  int probe(const char* path) const override {
    std::string word;
    std::ifstream(path) >> word;
    return word == "frozen" ? 10 : 0;
  }
  std::unique_ptr<Checkpoint> open(const char* path) override { return std::make_unique<FrozenCheckpoint>(path); }
};

}  // namespace
}  // namespace gpt2run

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::Frozen>(gpt2run::Kind::loader, false, "frozen", "1",
                                                                        "all weights in FP32");
