// Settings that GPT-2 in transformers does not read are ignored here too.
#include "config.hpp"

#include "json.hpp"
#include "limits.hpp"
#include "mapped_file.hpp"

namespace gpt2run::loaders {
namespace {

using json::Value;

// The value of a setting, or null if it is missing, which is the same to transformers.
Value find(const Value& config, const char* key) { return config.find(key).value_or(Value()); }

int64_t read_integer(const std::string& path, const char* key, const Value& value) {
  if (!value.is_whole()) fail(path, ": ", key, ": expected a whole number, found ", value.description());
  const auto integer = value.as_integer();
  if (!integer) fail(path, ": ", key, ": expected a number in range, found ", value.description());
  return *integer;
}

int32_t read_size(const std::string& path, const Value& config, const char* key, int64_t most) {
  return loaders::checked_size(path, key, read_integer(path, key, find(config, key)), most);
}

bool read_flag(const std::string& path, const Value& config, const char* key, bool fallback) {
  const Value value = find(config, key);
  if (value.is_null()) return fallback;
  const auto flag = value.as_flag();
  if (!flag) fail(path, ": ", key, ": expected true or false, found ", value.description());
  return *flag;
}

// Whether a value means the same as a missing one: null, false or empty.
bool is_neutral(const Value& value) {
  const bool is_structured = value.type() == json::Type::list || value.type() == json::Type::object;
  return value.is_null() || value.as_flag() == false ||
         (is_structured && value.elements().empty() && value.members().empty());
}

// Refuses settings that change the arithmetic. reorder_and_upcast_attn is not among them, because it changes where
// transformers rounds, not what is computed.
void refuse_other_arithmetic(const std::string& path, const Value& config) {
  struct Setting {
    const char *key, *only;  // only: the one supported value, as JSON; null if the setting must be missing
  };
  constexpr Setting kSettings[] = {{"model_type", "\"gpt2\""},       {"scale_attn_weights", "true"},
                                   {"add_cross_attention", "false"}, {"is_encoder_decoder", "false"},
                                   {"quantization_config", nullptr}, {"position_embedding_type", "\"absolute\""},
                                   {"pruned_heads", nullptr}};
  for (const auto& [key, only] : kSettings) {
    const Value value = find(config, key);
    if (only ? value.is_null() || value.description() == only : is_neutral(value)) continue;
    fail(path, ": ", key, ": expected ", only ? only : "none", ", found ", value.description(),
         ", which changes the arithmetic");
  }
  if (find(config, "model_type").is_null()) fail(path, ": model_type: expected \"gpt2\", found none");
}

// transformers has several names, and codes, for the two forms of GELU and for silu.
Activation read_activation(const std::string& path, const Value& config) {
  constexpr std::pair<std::string_view, Activation> kNames[] = {{"gelu_new", Activation::gelu_tanh},
                                                                {"gelu_fast", Activation::gelu_tanh},
                                                                {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                                {"gelu", Activation::gelu_erf},
                                                                {"gelu_python", Activation::gelu_erf},
                                                                {"relu", Activation::relu},
                                                                {"silu", Activation::silu},
                                                                {"swish", Activation::silu},
                                                                {"tanh", Activation::tanh}};
  const Value value = find(config, "activation_function");
  if (value.is_null()) return Activation::gelu_tanh;
  std::string names;
  for (const auto& [name, activation] : kNames) {
    if (value.as_text() == name) return activation;
    names.append(names.empty() ? "" : ", ").append(name);
  }
  fail(path, ": activation_function: expected one of ", names, ", found ", value.description());
}

// The end-of-text token: a number, or a list of which the first entry is used.
int32_t read_end_of_text(const std::string& path, const Value& config, int32_t V) {
  const Value given = find(config, "eos_token_id");
  const Value value = given.elements().empty() ? given : given.elements().front();
  if (value.is_null()) return -1;
  return loaders::checked_token(path, "eos_token_id", read_integer(path, "eos_token_id", value), V);
}

float read_epsilon(const std::string& path, const Value& config) {
  const Value value = find(config, "layer_norm_epsilon");
  if (value.is_null()) return 1e-5f;
  const auto number = value.as_number();
  if (!number) fail(path, ": layer_norm_epsilon: expected a number, found ", value.description());
  return loaders::checked_epsilon(path, "layer_norm_epsilon", *number);
}

}  // namespace

FolderConfig read_config(const std::string& path) {
  const loaders::MappedFile file(path);
  const json::Document document = parse_object(path, file.bytes());
  const Value config = document.root();
  refuse_other_arithmetic(path, config);
  ModelConfig m{};
  m.L = read_size(path, config, "n_layer", loaders::kMaxLayers);
  m.H = read_size(path, config, "n_head", loaders::kMaxWidth);
  m.C = read_size(path, config, "n_embd", loaders::kMaxWidth);
  loaders::check_heads(path, "n_head", m);
  const bool default_inner = find(config, "n_inner").is_null();
  m.F = default_inner ? loaders::checked_size(path, "n_embd * 4", int64_t{4} * m.C, loaders::kMaxWidth)
                      : read_size(path, config, "n_inner", loaders::kMaxWidth);
  m.V = read_size(path, config, "vocab_size", kMaxVocab);
  m.T = read_size(path, config, find(config, "n_positions").is_null() ? "n_ctx" : "n_positions", loaders::kMaxContext);
  m.end_of_text = read_end_of_text(path, config, m.V);
  m.epsilon = read_epsilon(path, config);
  m.activation = read_activation(path, config);
  m.scale_by_layer = read_flag(path, config, "scale_attn_by_inverse_layer_idx", false);
  return {m, read_flag(path, config, "tie_word_embeddings", true)};
}

}  // namespace gpt2run::loaders
