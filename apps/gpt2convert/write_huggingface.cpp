// Writes a model in Hugging Face's layout, as transformers saves a GPT2LMHeadModel.
#include <string>

#include "common/pipeline/explain.hpp"
#include "common/pipeline/packed_folder.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "target.hpp"
#include "write_values.hpp"

namespace gpt2run::convert {
namespace {

// One weight of the file.
struct SavedTensor {
  std::string name;
  std::string where;  // its name in messages
  Tensor tensor;
  Type type;
  Orientation orientation;
  bool is_matrix;
};

std::string stored_name(Weight weight, int layer) {
  constexpr const char* kNames[kWeights] = {
      "wte.weight",         "wpe.weight",       "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
      "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",    "mlp.c_fc.bias",
      "mlp.c_proj.weight",  "mlp.c_proj.bias",  "ln_f.weight", "ln_f.bias", "lm_head.weight"};
  const std::string name = kNames[static_cast<size_t>(weight)];
  if (weight == Weight::head_w) return name;
  return "transformer." + (is_per_layer(weight) ? "h." + std::to_string(layer) + "." : "") + name;
}

// The type of a weight in the file. type: as write_huggingface has it. Vectors and the position embedding of a
// quantised model are FP32.
Type stored_type(Weight weight, Type own, std::optional<Type> type) {
  const Type wanted = type.value_or(own);
  const bool stays_wide = is_vector(weight) || weight == Weight::wpe;
  if (!is_quantised(wanted)) return wanted;
  return stays_wide ? Type::f32 : quantised_type_of(weight, wanted);
}

std::vector<SavedTensor> items_of(const Checkpoint& model, std::optional<Type> type) {
  std::vector<SavedTensor> items;
  const Type matrices = stored_type(Weight::wte, model.tensor(Weight::wte, 0).type, type);
  const auto add = [&](Weight weight, int layer) {
    const Tensor own = model.tensor(weight, layer);
    // transformers keeps the matrices of its Conv1D layers as (in, out).
    const bool turned = is_layer_matrix(weight) && !is_quantised(matrices);
    items.push_back({stored_name(weight, layer), shown_name(weight, layer), own, stored_type(weight, own.type, type),
                     turned ? Orientation::in_out : Orientation::out_in, is_matrix(weight)});
    const bool is_mixed = is_quantised(items.back().type) != is_quantised(matrices);
    if (is_mixed && is_matrix(weight) && weight != Weight::wpe)
      fail("weight ", items.back().where, ": expected the type of wte, ", name_of(matrices),
           ", because only all matrices are quantised together, found ", name_of(own.type), "; --type chooses one");
  };
  add(Weight::wte, 0);
  add(Weight::wpe, 0);
  for (int layer = 0; layer < model.config().L; ++layer) {
    for (int i = 0; i < kWeights; ++i) {
      if (is_per_layer(static_cast<Weight>(i))) add(static_cast<Weight>(i), layer);
    }
  }
  add(Weight::lnf_w, 0);
  add(Weight::lnf_b, 0);
  if (!is_tied(model)) add(Weight::head_w, 0);
  return items;
}

// The name of a type in safetensors and in config.json.
struct TypeNames {
  const char *safetensors, *config;
};
TypeNames names_of(Type type) {
  switch (type) {
    case Type::f32:
      return {"F32", "float32"};
    case Type::f16:
      return {"F16", "float16"};
    case Type::bf16:
      return {"BF16", "bfloat16"};
    case Type::f64:
      return {"F64", "float64"};
    case Type::i8:
      return {"I8", "float32"};
    case Type::u4:
      return {"U8", "float32"};
    default:
      fail_type(type);
  }
}

// One tensor of the file.
struct Part {
  std::string name;
  const char* dtype;
  std::string shape;  // as JSON
  int64_t bytes;
};

std::string shape_text(int64_t rows, int64_t cols) { return std::to_string(rows) + "," + std::to_string(cols); }

// The tensors of a weight, in the order in which write() writes them.
std::vector<Part> parts_of(const SavedTensor& item) {
  const auto [rows, cols] = Shape{item.tensor.rows, item.tensor.cols};
  const int64_t line = bytes_of(item.type, cols), groups = (cols + kInt4Group - 1) / kInt4Group;
  const bool turned = item.orientation == Orientation::in_out;
  std::string shape = !item.is_matrix ? std::to_string(rows) : turned ? shape_text(cols, rows) : shape_text(rows, cols);
  if (item.type == Type::u4) shape = shape_text(rows, line);
  std::vector<Part> parts = {{item.name, names_of(item.type).safetensors, shape, rows * line}};
  if (!is_quantised(item.type)) return parts;
  parts.push_back({item.name + ".scales", "F32", std::to_string(rows), rows * bytes_of(Type::f32)});
  if (item.type == Type::u4) parts.push_back({item.name + ".groups", "U8", shape_text(rows, groups), rows * groups});
  return parts;
}

void write(OutputFile& file, const SavedTensor& item) {
  if (is_quantised(item.type)) return write_quantised(file, item.tensor, item.type, item.where);
  write_values(file, item.tensor, item.type, item.where, item.orientation);
}

// The header of a safetensors file with its length before it. It is padded with blanks so that the data begins at a
// multiple of 8 bytes.
std::string header_of(const std::vector<SavedTensor>& items) {
  JsonWriter json(-1);
  json.begin_object();
  const bool is_plain = !is_quantised(items.front().type);
  json.raw_field("__metadata__", is_plain ? R"({"format":"pt"})" : R"({"format":"pt","matrices":"out,in"})");
  std::vector<Part> parts;
  for (const SavedTensor& item : items)
    for (Part& part : parts_of(item)) parts.push_back(std::move(part));
  int64_t at = 0;
  for (const Part& part : parts) {
    const int64_t end = at + part.bytes;
    json.key(part.name);
    json.begin_object();
    json.field("dtype", part.dtype);
    json.raw_field("shape", "[" + part.shape + "]");
    json.key("data_offsets");
    json.begin_list();
    json.value(at);
    json.value(end);
    json.end_list();
    json.end_object();
    at = end;
  }
  json.end_object();
  std::string header = json.json();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + header;
}

// transformers' name of an activation function.
const char* name_in_config(Activation activation) {
  constexpr const char* kNames[kActivationCount] = {"gelu_new", "gelu", "relu", "silu", "tanh"};
  return kNames[static_cast<size_t>(activation)];
}

// The ids that end a text: null, a number or a list.
std::string ends_of(const ModelConfig& m) {
  std::string ids;
  int count = 0;
  const auto add = [&](int32_t id) {
    if (id >= 0) ids.append(count++ ? "," : "").append(std::to_string(id));
  };
  add(m.end_of_text);
  for (const int32_t id : m.other_ends) add(id);
  return count == 0 ? "null" : count == 1 ? ids : "[" + ids + "]";
}

// The usual names of such settings: 8 bits have one scale for each row of a matrix, 4 bits also a factor and a zero
// point for each group of columns.
void add_quantisation(JsonWriter& json, Type type) {
  json.key("quantization_config");
  json.begin_object();
  json.field("quant_method", "gpt2run");
  json.field("bits", type == Type::u4 ? 4 : 8);
  json.field("group_size", type == Type::u4 ? kInt4Group : -1);
  json.field("zero_point", type == Type::u4);
  json.field("embedding_bits", 8);
  json.raw_field("modules_to_not_convert", "[\"wpe\"]");
  json.end_object();
}

std::string config_of(const Checkpoint& model, Type type) {
  const ModelConfig& m = model.config();
  const int32_t start = m.start_of_text >= 0 ? m.start_of_text : m.end_of_text;
  std::string epsilon;
  append_number(epsilon, m.epsilon);
  JsonWriter json(2);
  json.begin_object();
  json.raw_field("architectures", "[\"GPT2LMHeadModel\"]");
  json.field("model_type", "gpt2");
  json.field("activation_function", name_in_config(m.activation));
  if (m.scale_by_layer) json.field("scale_attn_by_inverse_layer_idx", true);
  json.field("n_layer", m.L);
  json.field("n_head", m.H);
  json.field("n_embd", m.C);
  json.field("n_inner", m.F);
  json.field("n_positions", m.T);
  json.field("n_ctx", m.T);
  json.field("vocab_size", m.V);
  json.raw_field("layer_norm_epsilon", epsilon);
  json.raw_field("bos_token_id", start < 0 ? "null" : std::to_string(start));
  json.raw_field("eos_token_id", ends_of(m));
  json.field("tie_word_embeddings", is_tied(model));
  json.field("torch_dtype", names_of(type).config);
  if (is_quantised(type)) add_quantisation(json, type);
  json.end_object();
  return json.json() + "\n";
}

}  // namespace

void write_huggingface(OutputSet& files, const std::filesystem::path& folder, const Checkpoint& model,
                       std::optional<Type> type, const std::vector<TokenizerFile>& tokenizer) {
  const std::vector<SavedTensor> items = items_of(model, type);
  if (PackedFolder::is_one(folder))
    fail(folder.string(),
         ": holds packed weights, which would be read in place of the model: give --out another folder");
  files.refuse(folder / "generation_config.json");
  for (const char* name : kHuggingfaceTokenizerNames) {
    bool written = false;
    for (const TokenizerFile& file : tokenizer) written |= file.name == name;
    if (!written) files.refuse(folder / name);
  }
  const Type layers = stored_type(Weight::qkv_w, model.tensor(Weight::qkv_w, 0).type, type);
  files.add(folder / "config.json", config_of(model, is_quantised(layers) ? layers : items.front().type));
  for (const TokenizerFile& file : tokenizer) files.add(folder / file.name, file.bytes);
  OutputFile& weights = files.add(folder / "model.safetensors");
  weights.write(header_of(items));
  for (const SavedTensor& item : items) write(weights, item);
}

}  // namespace gpt2run::convert
