// Loader synthetic: models without files, with the same weights on every machine, for tests and measurements.
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "../common/limits.hpp"
#include "generator.hpp"
#include "gpt2run/host_plugin.hpp"

namespace gpt2run::synthetic {
namespace {

class SyntheticCheckpoint final : public Checkpoint {
 public:
  explicit SyntheticCheckpoint(const char* text)
      : text_(text), spec_(parse_spec(text)), slots_(static_cast<size_t>(spec_.model.L) * kWeights) {}

  const ModelConfig& config() const override { return spec_.model; }
  const char* tokenizer() const override { return nullptr; }

  Tensor tensor(Weight weight, int layer) const override {
    loaders::check_layer(text_, weight, layer, spec_.model);
    if (weight == Weight::head_w && spec_.tied) weight = Weight::wte;
    const Shape shape = shape_of(weight, spec_.model);
    Slot& slot = slots_[static_cast<size_t>(layer) * kWeights + static_cast<size_t>(weight)];
    const std::lock_guard guard(slot.mutex);
    if (!slot.values) slot.values = make_values(weight, layer, shape.rows * shape.cols);
    return {slot.values.get(), Type::f32, shape.rows, shape.cols, shape.cols, 1};
  }

 private:
  struct Slot {
    std::mutex mutex;
    std::unique_ptr<float[]> values;
  };

  std::unique_ptr<float[]> make_values(Weight weight, int layer, int64_t count) const {
    std::unique_ptr<float[]> values(new (std::nothrow) float[static_cast<size_t>(count)]);
    if (!values) fail(text_, ": ", name_of(weight), ": expected memory for ", count, " floats, found none");
    fill(spec_, weight, layer, values.get());
    return values;
  }

  std::string text_;
  Spec spec_;
  mutable std::vector<Slot> slots_;  // [layer][weight]
};

class SyntheticLoader final : public Loader {
 public:
  SyntheticLoader(const Options&, const Host&) {}
  int probe(const char* path) const override { return std::string_view(path).starts_with(kPrefix); }
  std::unique_ptr<Checkpoint> open(const char* path) override { return std::make_unique<SyntheticCheckpoint>(path); }
};

}  // namespace
}  // namespace gpt2run::synthetic

GPT2RUN_PLUGIN = gpt2run::host_plugin<gpt2run::Loader, gpt2run::synthetic::SyntheticLoader>(
    gpt2run::Kind::loader, false, "synthetic", "0.1.0",
    "models without files: synthetic:124M, synthetic:L=4,C=64,H=2,V=1000,T=128,outliers=1");
