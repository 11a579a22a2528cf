// Writes archives, series of pickles, and the weights of a model.
#include "loaders/torch_writer.hpp"

#include "support/golden.hpp"

namespace gpt2run::test {
namespace {

constexpr const char* kNames[kWeights] = {
    "wte.weight",         "wpe.weight",       "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
    "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",    "mlp.c_fc.bias",
    "mlp.c_proj.weight",  "mlp.c_proj.bias",  "ln_f.weight", "ln_f.bias", "lm_head.weight"};

// The values in the order of `shape`, or of its transpose.
std::string values_of(const Tensor& t, bool by_columns) {
  std::string bytes;
  for (int64_t i = 0; i < (by_columns ? t.cols : t.rows); ++i)
    for (int64_t j = 0; j < (by_columns ? t.rows : t.cols); ++j)
      bytes += by_columns ? raw(value_at(t, j, i)) : raw(value_at(t, i, j));
  return bytes;
}

class Writer {
 public:
  Writer(const Checkpoint& model, const TorchStyle& style) : model_(model), style_(style) {}

  TorchContent write() {
    const ModelConfig& m = model_.config();
    for (int i = 0; i < kWeights; ++i)
      for (int layer = 0; layer < (is_per_layer(static_cast<Weight>(i)) ? m.L : 1); ++layer)
        add(static_cast<Weight>(i), layer);
    if (!style_.one_storage) return std::move(content_);
    content_.storages = {{"0", std::move(pool_)}};
    for (WrittenTensor& t : content_.tensors) t.count = static_cast<int64_t>(content_.storages[0].second.size()) / 4;
    return std::move(content_);
  }

 private:
  void add(Weight weight, int layer) {
    const std::string_view kind = name_of(weight);
    if (weight == Weight::head_w && !style_.head_stored) return;
    if (kind.ends_with("_b") && !style_.biases) return;
    const Tensor t = model_.tensor(weight, layer);
    const std::string prefix = weight == Weight::head_w ? style_.head : style_.body;
    const std::string name =
        prefix + (is_per_layer(weight) ? "h." + std::to_string(layer) + "." : "") + kNames[static_cast<size_t>(weight)];
    if (weight == Weight::head_w && model_.config().tied_head) {
      content_.tensors.push_back(content_.tensors.front());
      content_.tensors.back().name = name;
      return;
    }
    const bool transposed = is_layer_matrix(weight) && !style_.linear;
    const bool is_vector = kind.starts_with("ln") || kind.ends_with("_b");
    std::vector<int64_t> shape = {t.rows};
    if (!is_vector) shape = transposed ? std::vector{t.cols, t.rows} : std::vector{t.rows, t.cols};
    style_.one_storage ? add_to_pool(name, t, shape, transposed) : add_alone(name, t, shape, transposed);
  }

  void add_alone(const std::string& name, const Tensor& t, const std::vector<int64_t>& shape, bool transposed) {
    const std::string key = std::to_string(content_.storages.size());
    std::vector<int64_t> strides = {1};
    if (shape.size() == 2) strides = {shape[1], 1};
    content_.tensors.push_back({name, "FloatStorage", key, t.rows * t.cols, 0, shape, strides});
    content_.storages.emplace_back(key, values_of(t, transposed));
  }

  void add_to_pool(const std::string& name, const Tensor& t, const std::vector<int64_t>& shape, bool transposed) {
    const auto offset = static_cast<int64_t>(pool_.size()) / 4 + 1;
    std::vector<int64_t> strides = {2};
    if (shape.size() == 2) strides = {2, 2 * shape[0]};
    content_.tensors.push_back({name, "FloatStorage", "0", 0, offset, shape, strides});
    const std::string values = values_of(t, !transposed);
    for (size_t at = 0; at < values.size(); at += 4) pool_ += raw(-1.f) + values.substr(at, 4);
  }

  const Checkpoint& model_;
  const TorchStyle& style_;
  TorchContent content_;
  std::string pool_;
};

}  // namespace

std::string zip_of(const std::vector<ZipRecord>& records, bool zip64) {
  std::string bytes, directory;
  for (const auto& [name, data, method] : records) {
    const std::string sizes = raw(static_cast<uint32_t>(data.size()));
    const std::string length = raw(static_cast<uint16_t>(name.size()));
    const std::string common = raw<uint16_t>(0) + raw(method) + raw<uint32_t>(0) + raw<uint32_t>(0);
    const std::string far = raw<uint16_t>(1) + raw<uint16_t>(24) + raw<uint64_t>(data.size()) +
                            raw<uint64_t>(data.size()) + raw<uint64_t>(bytes.size());
    const std::string whole = raw<uint32_t>(UINT32_MAX);
    directory += "PK\x01\x02" + raw<uint16_t>(0) + raw<uint16_t>(0) + common + (zip64 ? whole + whole : sizes + sizes) +
                 length + raw(static_cast<uint16_t>(zip64 ? far.size() : 0)) + std::string(10, '\0') +
                 (zip64 ? whole : raw(static_cast<uint32_t>(bytes.size()))) + name + (zip64 ? far : "");
    bytes += "PK\x03\x04" + raw<uint16_t>(0) + common + sizes + sizes + length + raw<uint16_t>(0) + name + data;
  }
  const auto count = static_cast<uint16_t>(records.size());
  const size_t begin = bytes.size();
  bytes += directory;
  if (zip64) {
    const uint64_t end = bytes.size();
    bytes += "PK\x06\x06" + raw<uint64_t>(44) + std::string(12, '\0') + raw<uint64_t>(count) + raw<uint64_t>(count) +
             raw<uint64_t>(directory.size()) + raw<uint64_t>(begin);
    bytes += "PK\x06\x07" + raw<uint32_t>(0) + raw(end) + raw<uint32_t>(1);
  }
  const uint32_t size = zip64 ? UINT32_MAX : static_cast<uint32_t>(directory.size());
  return bytes + "PK\x05\x06" + raw<uint32_t>(0) + raw(count) + raw(count) + raw(size) +
         raw(zip64 ? UINT32_MAX : static_cast<uint32_t>(begin)) + raw<uint16_t>(0);
}

std::string TorchContent::archive(const std::string& pickle, const std::vector<ZipRecord>& more, bool zip64) const {
  std::vector<ZipRecord> records = {{"model/data.pkl", pickle}};
  for (const auto& [key, bytes] : storages) records.push_back({"model/data/" + key, bytes});
  records.insert(records.end(), more.begin(), more.end());
  return zip_of(records, zip64);
}

std::string TorchContent::series(const std::string& pickle, bool little_endian, int element) const {
  std::string bytes = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  bytes += Pickler().integer(1001).done();
  bytes += Pickler().op("}(").text("little_endian").op(little_endian ? "\x88" : "\x89").op("u").done() + pickle;
  Pickler keys;
  keys.op("](");
  for (const auto& [key, data] : storages) keys.text(key);
  bytes += keys.op("e").done();
  for (const auto& [key, data] : storages) bytes += raw(static_cast<uint64_t>(data.size()) / element) + data;
  return bytes;
}

TorchContent content_of(const Checkpoint& model, const TorchStyle& style) { return Writer(model, style).write(); }

}  // namespace gpt2run::test
