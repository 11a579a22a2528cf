// Writes a model as a GGUF file: the metadata and the directory are built in memory, and the tensors follow.
#include <algorithm>
#include <string>

#include "common/pipeline/explain.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "target.hpp"
#include "write_values.hpp"

namespace gpt2run::convert {
namespace {

using gguf::TensorType;
using gguf::TokenKind;
using gguf::ValueType;

// One tensor of the file.
struct GgufTensor {
  std::string name, where;  // where: the weight's name in messages
  Tensor tensor;
  TensorType type;
  bool is_vector;
};

// The type of a tensor that keeps its own. What is quantised here is FP32 there, which changes no value. Throws Error
// for one that llama.cpp does not compute GPT-2 with.
TensorType kept_type(const std::string& where, const std::string& weight, Type type) {
  switch (type) {
    case Type::f32:
    case Type::i8:
    case Type::u4:
      return TensorType::f32;
    case Type::f16:
      return TensorType::f16;
    case Type::bf16:
      return TensorType::bf16;
    default:
      fail(where, ": GGUF: expected fp32, fp16 or bf16, found ", name_of(type), " in ", weight, "; --type chooses one");
  }
}

// llama.cpp keeps vectors and the position embedding in FP32, and computes with them so.
std::vector<GgufTensor> items_of(const std::string& where, const Checkpoint& model, std::optional<TensorType> type) {
  std::vector<GgufTensor> items;
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    if (weight == Weight::head_w && is_tied(model)) continue;
    for (int layer = 0; layer < (is_per_layer(weight) ? model.config().L : 1); ++layer) {
      const Tensor tensor = model.tensor(weight, layer);
      const std::string name = shown_name(weight, layer);
      const TensorType own = type ? *type : kept_type(where, name, tensor.type);
      const bool is_wide = is_vector(weight) || weight == Weight::wpe;
      items.push_back(
          {gguf::weight_name(weight, layer), name, tensor, is_wide ? TensorType::f32 : own, is_vector(weight)});
    }
  }
  return items;
}

uint64_t bytes_of(const GgufTensor& item) {
  const int64_t elements = item.tensor.rows * item.tensor.cols;
  if (item.type == TensorType::q8_0) return static_cast<uint64_t>(elements / kQ8Elements * kQ8Bytes);
  return static_cast<uint64_t>(elements * (item.type == TensorType::f32 ? 4 : 2));
}

uint64_t aligned(uint64_t at) {
  return (at + gguf::kDefaultAlignment - 1) / gguf::kDefaultAlignment * gguf::kDefaultAlignment;
}

// The keys and values, as bytes, and their number.
class Metadata {
 public:
  template <class Number>
  static std::string raw(Number number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
  }
  static std::string text(std::string_view text) { return raw(uint64_t{text.size()}).append(text); }

  void number(const char* key, int64_t value) { add(key, ValueType::u32, raw(static_cast<uint32_t>(value))); }
  void real(const char* key, float value) { add(key, ValueType::f32, raw(value)); }
  void word(const char* key, std::string_view value) { add(key, ValueType::text, text(value)); }
  void texts(const char* key, const std::vector<std::string>& values) {
    std::string bytes = raw(ValueType::text) + raw(uint64_t{values.size()});
    for (const std::string& value : values) bytes += text(value);
    add(key, ValueType::list, bytes);
  }
  void integers(const char* key, const std::vector<int32_t>& values) {
    std::string bytes = raw(ValueType::i32) + raw(uint64_t{values.size()});
    for (const int32_t value : values) bytes += raw(value);
    add(key, ValueType::list, bytes);
  }

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void add(const char* key, ValueType type, const std::string& value) {
    ++count_;
    bytes_ += text(key) + raw(type) + value;
  }

  uint64_t count_ = 0;
  std::string bytes_;
};

// llama.cpp's number for a file whose matrices have this type.
int64_t file_type(TensorType type) {
  switch (type) {
    case TensorType::f16:
      return 1;
    case TensorType::q8_0:
      return 7;
    case TensorType::bf16:
      return 32;
    default:
      return 0;
  }
}

void add_settings(const ModelConfig& m, TensorType type, Metadata& metadata) {
  metadata.word("general.architecture", "gpt2");
  metadata.number("general.file_type", file_type(type));
  if (type == TensorType::q8_0) metadata.number("general.quantization_version", 2);
  metadata.number("gpt2.block_count", m.L);
  metadata.number("gpt2.context_length", m.T);
  metadata.number("gpt2.embedding_length", m.C);
  metadata.number("gpt2.feed_forward_length", m.F);
  metadata.number("gpt2.attention.head_count", m.H);
  metadata.real("gpt2.attention.layer_norm_epsilon", m.epsilon);
  metadata.number("gpt2.vocab_size", m.V);
}

// As llama.cpp's converter does, unused tokens fill the vocabulary up to the rows of the embedding.
void add_tokenizer(const ModelConfig& m, const TokenTable* table, Metadata& metadata) {
  metadata.word("tokenizer.ggml.model", table ? "gpt2" : "no_vocab");
  if (table) {
    std::vector<std::string> tokens;
    std::vector<int32_t> kinds;
    const auto add = [&](const std::string& token, TokenKind kind) {
      tokens.push_back(token);
      kinds.push_back(static_cast<int32_t>(kind));
    };
    for (const auto& [token, special] : table->tokens) add(token, special ? TokenKind::control : TokenKind::normal);
    for (auto id = static_cast<int32_t>(tokens.size()); id < m.V; ++id)
      add("[PAD" + std::to_string(id) + "]", TokenKind::unused);
    metadata.word("tokenizer.ggml.pre", "gpt-2");
    metadata.texts("tokenizer.ggml.tokens", tokens);
    metadata.integers("tokenizer.ggml.token_type", kinds);
    metadata.texts("tokenizer.ggml.merges", table->merges);
  }
  const int32_t start = m.start_of_text >= 0 ? m.start_of_text : m.end_of_text;
  if (start >= 0) metadata.number("tokenizer.ggml.bos_token_id", start);
  if (m.end_of_text >= 0) metadata.number("tokenizer.ggml.eos_token_id", m.end_of_text);
  if (m.other_ends[0] >= 0) metadata.number("tokenizer.ggml.eot_token_id", m.other_ends[0]);
}

// Throws Error for what llama.cpp does not read from a file: it computes every GPT-2 alike.
void check(const std::string& where, const ModelConfig& m) {
  const auto refuse = [&](const char* what, const auto& expected, const auto& found) {
    fail(where, ": GGUF: ", what, ": expected ", expected, ", found ", found);
  };
  if (m.activation != Activation::gelu_tanh)
    refuse("activation", name_of(Activation::gelu_tanh), name_of(m.activation));
  if (m.scale_by_layer) refuse("attention scores", "the same scale in all layers", "one for each layer");
  if (m.other_ends[1] >= 0) refuse("tokens that end a text", "at most two", "more");
}

std::string directory_of(const std::vector<GgufTensor>& items) {
  std::string bytes;
  uint64_t at = 0;
  for (const GgufTensor& item : items) {
    const auto rows = static_cast<uint64_t>(item.tensor.rows), cols = static_cast<uint64_t>(item.tensor.cols);
    bytes += Metadata::text(item.name) + Metadata::raw(uint32_t{item.is_vector ? 1u : 2u});
    if (!item.is_vector) bytes += Metadata::raw(cols);
    bytes += Metadata::raw(rows) + Metadata::raw(item.type) + Metadata::raw(at);
    at = aligned(at + bytes_of(item));
  }
  return bytes;
}

Type plain_type(TensorType type) {
  return type == TensorType::f16 ? Type::f16 : type == TensorType::bf16 ? Type::bf16 : Type::f32;
}

}  // namespace

void write_gguf(OutputSet& files, const std::filesystem::path& path, const Checkpoint& model,
                std::optional<TensorType> type, const TokenTable* tokenizer) {
  const ModelConfig& m = model.config();
  check(path.string(), m);
  const std::vector<GgufTensor> items = items_of(path.string(), model, type);
  Metadata metadata;
  add_settings(m, items.front().type, metadata);
  add_tokenizer(m, tokenizer, metadata);
  std::string beginning = std::string(gguf::kMagic) + Metadata::raw(gguf::kVersion) +
                          Metadata::raw(uint64_t{items.size()}) + Metadata::raw(metadata.count()) + metadata.bytes() +
                          directory_of(items);
  beginning.resize(aligned(beginning.size()));
  OutputFile& file = files.add(path);
  file.write(beginning);
  for (const GgufTensor& item : items) {
    if (item.type == TensorType::q8_0)
      write_q8_0(file, item.tensor, item.where);
    else
      write_values(file, item.tensor, plain_type(item.type), item.where);
    file.write(std::string(aligned(bytes_of(item)) - bytes_of(item), '\0'));
  }
}

}  // namespace gpt2run::convert
