// Hashes of plugin files and of models.
#include "common/config/record.hpp"

#include <algorithm>

#include "gpt2run/files/fingerprint.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run {
namespace {

// Adds an element: its bits, or its exact value where the type is quantised.
void add(const Tensor& t, int64_t row, int64_t col, Fingerprint& print) {
  if (t.type == Type::i8 || t.type == Type::u4) {
    const float value = at(t, row, col);
    return print.add(&value, sizeof value);
  }
  const int64_t size = bytes_of(t.type);
  print.add(static_cast<const char*>(t.data) + (row * t.row_stride + col * t.col_stride) * size,
            static_cast<size_t>(size));
}

// Hashes a few elements of every tensor. That is cheap, and one model has the same hash in any file layout.
std::string hash_of_model(const Checkpoint& checkpoint) {
  constexpr int64_t kSamples = 16;
  const ModelConfig& config = checkpoint.config();
  Fingerprint print;
  for (int w = 0; w < kWeights; ++w) {
    const auto weight = static_cast<Weight>(w);
    for (int layer = 0; layer < (is_per_layer(weight) ? config.L : 1); ++layer) {
      const Tensor t = checkpoint.tensor(weight, layer);
      const int64_t count = t.rows * t.cols;
      for (int64_t i = 0; i < std::min(count, kSamples); ++i) {
        const int64_t at = i * count / std::min(count, kSamples), r = at / t.cols, c = at % t.cols;
        add(t, r, c, print);
      }
      checkpoint.release(weight, layer);
    }
  }
  return print.hex();
}

}  // namespace

std::string absolute_path(const std::string& path) {
  if (!is_there(path)) return path;
  std::error_code error;  // a working folder that was removed has no path
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  return error ? path : whole.string();
}

void record_program(Manifest& manifest) {
  manifest.program = GPT2RUN_VERSION;
  manifest.tag = kTag;
  manifest.abi = kAbi;
}

void record_model(Manifest& manifest, const std::string& model, const Checkpoint& checkpoint) {
  manifest.model = absolute_path(model);
  manifest.model_hash = hash_of_model(checkpoint);
  manifest.config = checkpoint.config();
}

RecordedPlugin recorded(const PluginHost& host, const BoundPlugin& chosen) {
  const Plugin& plugin = *chosen.plugin;
  RecordedPlugin record{
      name_of(plugin.kind), chosen.spec.name, plugin.name, name_of(plugin.space), plugin.version, "", "", {}};
  if (const Candidate* candidate = host.find(plugin.kind, plugin.name, plugin.space)) {
    record.file = candidate->file.filename().string();
    record.hash = hash_of_file(candidate->file);
  }
  for (const OptionSpec& spec : chosen.values.specs())
    record.options.push_back({spec.key, chosen.values.shown(spec.key), spec.type});
  return record;
}

}  // namespace gpt2run
