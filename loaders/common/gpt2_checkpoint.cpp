// Finds the weights of GPT-2 by name, checks their shapes, and looks at how they lie.
#include "gpt2_checkpoint.hpp"

#include <algorithm>
#include <cstring>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "limits.hpp"
#include "quantised.hpp"

namespace gpt2run::loaders {
namespace {

namespace fs = std::filesystem;

// The name of a weight in transformers, without "transformer.". nanoGPT and minGPT have the same.
std::string stored_name(Weight weight, int layer) {
  constexpr const char* kNames[kWeights] = {
      "wte.weight",         "wpe.weight",       "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
      "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",    "mlp.c_fc.bias",
      "mlp.c_proj.weight",  "mlp.c_proj.bias",  "ln_f.weight", "ln_f.bias", "lm_head.weight"};
  const std::string name = kNames[static_cast<size_t>(weight)];
  return is_per_layer(weight) ? "h." + std::to_string(layer) + "." + name : name;
}

bool is_bias(Weight weight) { return std::string_view(name_of(weight)).ends_with("_b"); }

Type type_of(const std::string& where, const std::string& dtype) {
  if (dtype == "F32") return Type::f32;
  if (dtype == "F16") return Type::f16;
  if (dtype == "BF16") return Type::bf16;
  if (dtype == "F64") return Type::f64;
  fail(where, ": expected F32, F16, BF16 or F64, found ", dtype);
}

// A view of a stored tensor. Throws Error unless it has exactly the expected shape and a supported type.
Tensor view(const StoredTensor& stored, const std::string& name, Weight weight, bool is_linear, const ModelConfig& m) {
  const std::string where = *stored.path + ": " + in_quotes(name);
  const Shape shape = shape_of(weight, m);
  const bool transposed = is_layer_matrix(weight) && !is_linear;
  std::vector<int64_t> expected = {shape.rows};
  if (!is_vector(weight))
    expected = transposed ? std::vector{shape.cols, shape.rows} : std::vector{shape.rows, shape.cols};
  if (stored.shape != expected) {
    const bool is_turned = expected.size() == 2 && stored.shape == std::vector{expected[1], expected[0]};
    fail(where, ": expected shape ", shape_text(expected), ", found ", shape_text(stored.shape),
         is_turned ? ": it is transposed" : "");
  }
  const Type type = type_of(where, stored.dtype);
  if (is_vector(weight)) return {stored.data, type, shape.rows, 1, stored.strides[0], 1};
  const int64_t first = stored.strides[0], second = stored.strides[1];
  return transposed ? Tensor{stored.data, type, shape.rows, shape.cols, second, first}
                    : Tensor{stored.data, type, shape.rows, shape.cols, first, second};
}

bool has_codes(Type type) { return type == Type::i8 || type == Type::u4; }

// Whether two quantised tensors of one shape and type have the same bits. Their rows lie without gaps.
bool is_equal_quantised(const Tensor& a, const Tensor& b) {
  const auto is_same = [](const void* one, const void* other, int64_t bytes) {
    return std::memcmp(one, other, static_cast<size_t>(bytes)) == 0;
  };
  return is_same(a.data, b.data, a.rows * bytes_of(a.type, a.cols)) &&
         is_same(a.scales, b.scales, a.rows * bytes_of(Type::f32)) &&
         (a.type == Type::i8 || is_same(a.groups, b.groups, a.rows * groups_of(a)));
}

// Whether two tensors of one shape have the same type and the same bits.
bool is_equal(const Tensor& a, const Tensor& b) {
  if (a.type != b.type) return false;
  if (has_codes(a.type)) return is_equal_quantised(a, b);
  const bool same_strides = a.row_stride == b.row_stride && a.col_stride == b.col_stride;
  if (a.data == b.data && same_strides) return true;
  const size_t size = static_cast<size_t>(bytes_of(a.type));
  const auto at = [&](const Tensor& t, int64_t row, int64_t col) {
    return static_cast<const char*>(t.data) + (row * t.row_stride + col * t.col_stride) * static_cast<int64_t>(size);
  };
  const bool is_contiguous = same_strides && a.col_stride == 1 && a.row_stride == a.cols;
  if (is_contiguous) return std::memcmp(a.data, b.data, static_cast<size_t>(a.rows * a.cols) * size) == 0;
  for (int64_t row = 0; row < a.rows; ++row)
    for (int64_t col = 0; col < a.cols; ++col)
      if (std::memcmp(at(a, row, col), at(b, row, col), size) != 0) return false;
  return true;
}

}  // namespace

std::string tokenizer_in(const fs::path& folder) {
  const auto has = [&](const char* name) { return is_there(folder / name); };
  const bool has_any = has("tokenizer.json") || (has("vocab.json") && has("merges.txt")) ||
                       (has("encoder.json") && has("vocab.bpe")) || has("vocab.txt") || has("meta.pkl");
  return has_any ? folder.string() : "";
}

bool is_linear_layout(const StoredTensors& tensors) {
  int linear = 0, layers = 0;
  while (const StoredTensor* stored = tensors.find(stored_name(Weight::qkv_w, layers))) {
    linear += stored->shape.size() == 2 && stored->shape[0] / 3 == stored->shape[1] && stored->shape[0] % 3 == 0 &&
              stored->shape[0] > 0;
    ++layers;
  }
  return 2 * linear > layers;  // so that one matrix alone is what is wrong
}

Gpt2Checkpoint::Gpt2Checkpoint(const ModelConfig& model, std::optional<bool> tied, StoredTensors tensors,
                               std::string tokenizer, const Host& host, std::optional<Type> quantised)
    : model_(model),
      tensors_(std::move(tensors)),
      tokenizer_(std::move(tokenizer)),
      quantised_(quantised),
      is_linear_(is_linear_layout(tensors_)) {
  find_known();
  if (const std::string more = stored_name(Weight::ln1_w, model_.L); tensors_.find(more))
    fail(tensors_.path(), ": expected ", model_.L,
         " layers, as the model's settings say, found more: ", in_quotes(more));
  find_weights(tied, host);
  find_biases(host);
  const auto data_of = [&](Weight weight) { return layers_[0][static_cast<size_t>(weight)].data; };
  model_.tied_head = data_of(Weight::head_w) == data_of(Weight::wte);
  tensors_.log_unknown(host, known_);
}

void Gpt2Checkpoint::find_known() {
  for (int layer = 0; layer < model_.L; ++layer)
    for (int i = 0; i < kWeights; ++i) {
      const std::string name = stored_name(static_cast<Weight>(i), layer);
      known_.insert(name);
      if (quantised_) known_.insert({scales_name(name), groups_name(name)});
    }
}

void Gpt2Checkpoint::find_weights(std::optional<bool> tied, const Host& host) {
  for (int layer = 0; layer < model_.L; ++layer) {
    auto& row = layers_.emplace_back();
    for (int i = 0; i < kWeights; ++i) {
      const auto weight = static_cast<Weight>(i);
      if ((layer > 0 && !is_per_layer(weight)) || is_bias(weight)) continue;
      row[i] = weight == Weight::wte      ? embedding(tied)
               : weight == Weight::head_w ? head(tied, layers_[0][0], host)
                                          : fetch(weight, layer);
    }
  }
}

// Either all biases of the linear layers are stored or none, and likewise those of the layernorms: nanoGPT leaves both
// out with bias=False.
void Gpt2Checkpoint::find_biases(const Host& host) {
  bool has_any[2] = {false, false};
  const auto is_norm = [](Weight weight) { return std::string_view(name_of(weight)).starts_with("ln"); };
  const auto for_each_bias = [&](const auto& call) {
    for (int layer = 0; layer < model_.L; ++layer)
      for (int i = 0; i < kWeights; ++i) {
        const auto weight = static_cast<Weight>(i);
        if (is_bias(weight) && (layer == 0 || is_per_layer(weight))) call(weight, layer);
      }
  };
  for_each_bias([&](Weight weight, int layer) { has_any[is_norm(weight)] |= stored(weight, layer) != nullptr; });
  if (!has_any[0] || !has_any[1]) {
    zeros_.assign(static_cast<size_t>(std::max(3 * model_.C, model_.F)), 0.f);
    const char* whose = has_any[0] ? "the layernorms" : has_any[1] ? "the linear layers" : "any layer";
    host.log(1, (tensors_.path() + ": a model without biases in " + whose + ": they are zeros").c_str());
  }
  for_each_bias([&](Weight weight, int layer) {
    Tensor& bias = layers_[layer][static_cast<size_t>(weight)];
    bias = has_any[is_norm(weight)] ? fetch(weight, layer)
                                    : Tensor{zeros_.data(), Type::f32, shape_of(weight, model_).rows, 1, 1, 1};
  });
}

const StoredTensor* Gpt2Checkpoint::stored(Weight weight, int layer) const {
  return tensors_.find(stored_name(weight, layer));
}

Tensor Gpt2Checkpoint::fetch(Weight weight, int layer) const {
  const std::string name = stored_name(weight, layer);
  const StoredTensor* tensor = stored(weight, layer);
  if (!tensor) {
    const std::string nearest = tensors_.nearest(name, known_);
    fail(tensors_.path(), ": expected tensor ", in_quotes(name), ", found none",
         !nearest.empty()                    ? nearest
         : is_per_layer(weight) && layer > 0 ? "; the model's settings say " + std::to_string(model_.L) + " layers"
                                             : tensors_.another(known_));
  }
  const bool is_wide = is_vector(weight) || weight == Weight::wpe;
  if (quantised_ && !is_wide)
    return quantised_view(tensors_, *tensor, name, quantised_type_of(weight, *quantised_), shape_of(weight, model_));
  const bool has_scales = tensors_.find(scales_name(name)) != nullptr;
  if (!quantised_ && has_scales && (tensor->dtype == "I8" || tensor->dtype == "U8"))
    fail(*tensor->path, ": ", in_quotes(name), ": expected F32, F16, BF16 or F64, found ", tensor->dtype,
         " with scales: the setting quantization_config, by which int8 and int4 are read, is missing from config.json");
  return view(*tensor, name, weight, is_linear_, model_);
}

// A tied model may be stored with its head alone.
Tensor Gpt2Checkpoint::embedding(std::optional<bool> tied) const {
  const bool is_head = !stored(Weight::wte, 0) && stored(Weight::head_w, 0) && tied.value_or(false);
  return fetch(is_head ? Weight::head_w : Weight::wte, 0);
}

Tensor Gpt2Checkpoint::head(std::optional<bool> tied, const Tensor& wte, const Host& host) const {
  if (!stored(Weight::head_w, 0) && tied.value_or(true)) return wte;
  const Tensor own = fetch(Weight::head_w, 0);
  // Whoever reads the weights takes a head at the address of wte for wte.
  if (own.data == wte.data && !is_equal(own, wte))
    fail(tensors_.path(), ": ", in_quotes(stored_name(Weight::head_w, 0)),
         ": expected the values of wte.weight or a storage of its own, found another view of that storage");
  if (tied == false) return own;
  if (is_equal(own, wte)) return wte;
  if (tied == true)
    host.log(2, (tensors_.path() +
                 ": tie_word_embeddings is true, but lm_head.weight differs from wte.weight: the stored head is used")
                    .c_str());
  return own;
}

Tensor Gpt2Checkpoint::tensor(Weight weight, int layer) const {
  check_layer(tensors_.path(), weight, layer, model_);
  return layers_[layer][static_cast<size_t>(weight)];
}

void Gpt2Checkpoint::release(Weight weight, int layer) const {
  const Tensor t = tensor(weight, layer);
  tensors_.release({static_cast<const char*>(t.data), bytes_between_ends(t)});
}

}  // namespace gpt2run::loaders
