// Reads config.json. A setting that transformers' GPT-2 does not read is ignored here too.
#include "config.hpp"

#include "../common/limits.hpp"
#include "../common/mapped_file.hpp"
#include "json.hpp"

namespace gpt2run::huggingface {
namespace {

// The value of a setting, or null: absent and null mean the same to transformers.
const Json& find(const Json& config, const char* key) {
  static const Json kNull;
  const auto found = config.find(key);
  return found == config.end() ? kNull : *found;
}

int64_t read_integer(const std::string& path, const char* key, const Json& value) {
  if (!value.is_number_integer()) fail(path, ": ", key, ": expected a whole number, found ", shown(value));
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) {
    fail(path, ": ", key, ": expected a number in range, found ", shown(value));
  }
  return value.get<int64_t>();
}

int32_t read_size(const std::string& path, const Json& config, const char* key, int64_t most) {
  return loaders::checked_size(path, key, read_integer(path, key, find(config, key)), most);
}

bool read_flag(const std::string& path, const Json& config, const char* key, bool fallback) {
  const Json& value = find(config, key);
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) fail(path, ": ", key, ": expected true or false, found ", shown(value));
  return value.get<bool>();
}

// reorder_and_upcast_attn is not among these: it changes where transformers rounds, not what is computed.
void refuse_other_arithmetic(const std::string& path, const Json& config) {
  struct Setting {
    const char* key;
    Json only;  // the one value that is computed here; null: the setting must be absent, null, empty or false
  };
  const Setting settings[] = {
      {"model_type", "gpt2"},           {"scale_attn_weights", true},  {"scale_attn_by_inverse_layer_idx", false},
      {"add_cross_attention", false},   {"is_encoder_decoder", false}, {"position_embedding_type", "absolute"},
      {"quantization_config", nullptr}, {"pruned_heads", nullptr}};
  for (const Setting& setting : settings) {
    const Json& value = find(config, setting.key);
    const bool neutral = setting.only.is_null() ? value.empty() || value == false : value.is_null();
    if (neutral || value == setting.only) continue;
    fail(path, ": ", setting.key, ": expected ", setting.only.is_null() ? "none" : shown(setting.only), ", found ",
         shown(value), ", which changes the arithmetic");
  }
  if (find(config, "model_type").is_null()) fail(path, ": model_type: expected \"gpt2\", found none");
  const Json& activation = find(config, "activation_function");
  if (!activation.is_null() && activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    fail(path, ": activation_function: expected \"gelu_new\" or \"gelu_pytorch_tanh\", found ", shown(activation));
  }
}

// A number, or a list whose first entry counts.
int32_t read_end_of_text(const std::string& path, const Json& config, int32_t V) {
  const Json& given = find(config, "eos_token_id");
  const Json& value = given.is_array() && !given.empty() ? given[0] : given;
  if (value.is_null()) return -1;
  return loaders::checked_token(path, "eos_token_id", read_integer(path, "eos_token_id", value), V);
}

float read_epsilon(const std::string& path, const Json& config) {
  const Json& value = find(config, "layer_norm_epsilon");
  if (value.is_null()) return 1e-5f;
  if (!value.is_number()) fail(path, ": layer_norm_epsilon: expected a number, found ", shown(value));
  return loaders::checked_epsilon(path, "layer_norm_epsilon", value.get<double>());
}

}  // namespace

FolderConfig read_config(const std::string& path) {
  const loaders::MappedFile file(path);
  const Json config = parse_object(path, file.bytes());
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
  return {m, read_flag(path, config, "tie_word_embeddings", true)};
}

}  // namespace gpt2run::huggingface
