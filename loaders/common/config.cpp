// Settings that GPT-2 in transformers does not read are ignored here too.
#include "config.hpp"

#include <algorithm>

#include "json.hpp"
#include "limits.hpp"
#include "mapped_file.hpp"
#include "quantised.hpp"
#include "text_ends.hpp"

namespace gpt2run::loaders {
namespace {

using json::Value;

// A setting that is null is the same to transformers as one that is missing.

int64_t read_integer(const std::string& path, const char* key, const Value& value) {
  if (!value.is_whole()) fail(path, ": ", key, ": expected a whole number, found ", value.description());
  const auto integer = value.as_integer();
  if (!integer) fail(path, ": ", key, ": expected a number in range, found ", value.description());
  return *integer;
}

int32_t read_size(const std::string& path, const Value& config, const char* key, int64_t most) {
  return loaders::checked_size(path, key, read_integer(path, key, config.find_or_null(key)), most);
}

// A size of the model, by its name in GPT-2 or the name that transformers has for it in all models, or else, as there,
// that of GPT-2's smallest model.
int32_t read_model_size(const std::string& path, const Value& config, const char* key, int64_t most, const Host& host) {
  struct Size {
    std::string_view key;
    const char* general;
    int32_t otherwise;
  };
  constexpr Size kSizes[] = {{"n_layer", "num_hidden_layers", 12},
                             {"n_head", "num_attention_heads", 12},
                             {"n_embd", "hidden_size", 768},
                             {"vocab_size", nullptr, 50257},
                             {"n_positions", "max_position_embeddings", 1024}};
  const Size& size =
      *std::find_if(std::begin(kSizes), std::end(kSizes), [&](const Size& one) { return one.key == key; });
  const bool has_own = config.find(key).has_value();
  const auto general = size.general ? config.find(size.general) : std::nullopt;
  if (has_own && general && general->description() != config.find_or_null(key).description())
    fail(path, ": ", size.general, ": expected ", config.find_or_null(key).description(), ", as ", key, " says, found ",
         general->description());
  if (has_own || general) return read_size(path, config, has_own ? key : size.general, most);
  host.log(1, (path + ": no " + key + ": taken as " + std::to_string(size.otherwise) + ", as in GPT-2's smallest model")
                  .c_str());
  return size.otherwise;
}

bool read_flag(const std::string& path, const Value& config, const char* key, bool fallback) {
  const Value value = config.find_or_null(key);
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
                                   {"pruned_heads", nullptr},        {"position_embedding_type", "\"absolute\""}};
  for (const auto& [key, only] : kSettings) {
    const Value value = config.find_or_null(key);
    if (only ? value.is_null() || value.description() == only : is_neutral(value)) continue;
    fail(path, ": ", key, ": expected ", only ? only : "none", ", found ", value.description(),
         key == std::string_view("model_type") ? ": only GPT-2's architecture runs here"
                                               : ", which changes the arithmetic");
  }
}

// Configurations of 2019 do not name their type. Those of GPT-2 are known by their settings; the other kinds of that
// time that have the same sizes have a setting more.
void check_type(const std::string& path, const Value& config, const Host& host) {
  if (!config.find_or_null("model_type").is_null()) return;
  const auto refuse = [&](const std::string& why) { fail(path, ": model_type: expected \"gpt2\", found none", why); };
  for (const char* key : {"n_layer", "n_head", "n_embd", "vocab_size"})
    if (config.find_or_null(key).is_null()) refuse(std::string("; nor is there ") + key);
  for (const char* key : {"afn", "dff", "rotary_dim", "multi_query"})
    if (config.find(key)) refuse(std::string("; ") + key + " is no setting of GPT-2");
  for (const Value& name : config.find_or_null("architectures").elements())
    if (!name.as_text().value_or("").starts_with("GPT2")) refuse("; the architecture is " + name.description());
  host.log(1, (path + ": no model_type: taken as gpt2, whose settings it has").c_str());
}

// transformers has several names, and codes, for the two forms of GELU and for silu.
Activation read_activation(const std::string& path, const Value& config) {
  constexpr std::pair<std::string_view, Activation> kNames[] = {{"gelu_new", Activation::gelu_tanh},
                                                                {"gelu_fast", Activation::gelu_tanh},
                                                                {"gelu_pytorch_tanh", Activation::gelu_tanh},
                                                                {"gelu_python_tanh", Activation::gelu_tanh},
                                                                {"gelu_accurate", Activation::gelu_tanh},
                                                                {"gelu", Activation::gelu_erf},
                                                                {"gelu_python", Activation::gelu_erf},
                                                                {"relu", Activation::relu},
                                                                {"silu", Activation::silu},
                                                                {"swish", Activation::silu},
                                                                {"tanh", Activation::tanh}};
  const Value value = config.find_or_null("activation_function");
  if (value.is_null()) return Activation::gelu_tanh;
  std::string names;
  for (const auto& [name, activation] : kNames) {
    if (value.as_text() == name) return activation;
    names.append(names.empty() ? "" : ", ").append(name);
  }
  fail(path, ": activation_function: expected one of ", names, ", found ", value.description());
}

float read_epsilon(const std::string& path, const Value& config) {
  const Value value = config.find_or_null("layer_norm_epsilon");
  if (value.is_null()) return 1e-5f;
  const auto number = value.as_number();
  if (!number) fail(path, ": layer_norm_epsilon: expected a number, found ", value.description());
  return loaders::checked_epsilon(path, "layer_norm_epsilon", *number);
}

}  // namespace

FolderConfig read_config(const std::string& path, const Host& host) {
  const loaders::MappedFile file(path);
  const json::Document document = parse_settings(path, file.bytes());
  const Value config = document.root();
  check_type(path, config, host);
  refuse_other_arithmetic(path, config);
  ModelConfig m{};
  const auto size = [&](const char* key, int64_t most) { return read_model_size(path, config, key, most, host); };
  m.L = size("n_layer", loaders::kMaxLayers);
  m.H = size("n_head", loaders::kMaxWidth);
  m.C = size("n_embd", loaders::kMaxWidth);
  loaders::check_heads(path, "n_head", m);
  const bool default_inner = config.find_or_null("n_inner").is_null();
  m.F = default_inner ? loaders::checked_size(path, "n_embd * 4", int64_t{4} * m.C, loaders::kMaxWidth)
                      : read_size(path, config, "n_inner", loaders::kMaxWidth);
  m.V = size("vocab_size", kMaxVocab);
  const bool has_only_n_ctx =
      config.find_or_null("n_positions").is_null() && !config.find("max_position_embeddings") && config.find("n_ctx");
  m.T = has_only_n_ctx ? read_size(path, config, "n_ctx", loaders::kMaxContext)
                       : size("n_positions", loaders::kMaxContext);
  read_text_ends(path, config, m, host);
  m.epsilon = read_epsilon(path, config);
  m.activation = read_activation(path, config);
  m.scale_by_layer = read_flag(path, config, "scale_attn_by_inverse_layer_idx", false);
  return {m, read_flag(path, config, "tie_word_embeddings", true),
          read_quantisation(path, config.find_or_null("quantization_config"))};
}

}  // namespace gpt2run::loaders
