// Reads sizes from the shapes of tensors.
#include "sizes.hpp"

#include "../common/gpt2_checkpoint.hpp"
#include "../common/json.hpp"
#include "../common/limits.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::torch {
namespace {

// The end of text of GPT-2's tokenizer, whose vocabulary nanoGPT pads to a multiple of 64.
constexpr int32_t kGpt2Vocab = 50257, kPaddedGpt2Vocab = 50304, kGpt2EndOfText = 50256;

std::optional<int64_t> heads_of(std::string_view model_type) {
  constexpr std::pair<std::string_view, int64_t> kTypes[] = {{"gpt-nano", 3},     {"gpt-micro", 4},   {"gpt-mini", 6},
                                                             {"gopher-44m", 16},  {"openai-gpt", 12}, {"gpt2", 12},
                                                             {"gpt2-medium", 16}, {"gpt2-large", 20}, {"gpt2-xl", 25}};
  for (const auto& [type, heads] : kTypes)
    if (type == model_type) return heads;
  return std::nullopt;
}

// The shape of a matrix that a model must have.
std::vector<int64_t> shape_of_matrix(const loaders::StoredTensors& tensors, const char* name) {
  const loaders::StoredTensor* tensor = tensors.find(name);
  if (!tensor) {
    const std::string nearest = tensors.nearest(name, {});
    fail(tensors.path(), ": expected tensor ", in_quotes(name), ", found none",
         nearest.empty() ? tensors.another({}) : nearest);
  }
  if (tensor->shape.size() != 2)
    fail(tensors.path(), ": ", in_quotes(name), ": expected a matrix, found shape ",
         loaders::shape_text(tensor->shape));
  return tensor->shape;
}

int64_t read_heads(const std::string& path, const Arguments& arguments, int64_t given) {
  std::optional<int64_t> found = arguments.n_head;
  if (!found) found = heads_of(arguments.model_type);
  if (found && given && *found != given)
    fail(path, ": n_head: the file says ", *found, ", the option heads ", given, ": leave the option out");
  if (found) return *found;
  if (given) return given;
  fail(
      path,
      ": the number of attention heads is neither in the file nor in a config.json beside it: give the option heads of "
      "the loader torch (--loader.heads 12)");
}

}  // namespace

std::optional<Arguments> read_mingpt_config(const std::string& path) {
  const loaders::MappedFile file(path);
  const json::Document document = loaders::parse_settings(path, file.bytes());
  const auto model = document.root().find("model");
  if (!model || model->type() != json::Type::object) return std::nullopt;
  const auto integer = [&](const char* key) -> std::optional<int64_t> {
    const json::Value value = model->find_or_null(key);
    if (value.is_null()) return std::nullopt;
    return value.integer(0, INT64_MAX);
  };
  Arguments arguments{integer("n_layer"),    integer("n_head"),     integer("n_embd"),
                      integer("block_size"), integer("vocab_size"), ""};
  arguments.model_type = model->find_or_null("model_type").as_text().value_or("");
  return arguments;
}

ModelConfig sizes_of(const loaders::StoredTensors& tensors, const Arguments& arguments, int64_t heads) {
  const std::string& path = tensors.path();
  const auto agreed = [&](const char* key, const std::optional<int64_t>& said, int64_t found, int64_t most) {
    if (said && *said != found) fail(path, ": ", key, ": expected ", found, ", as the tensors have it, found ", *said);
    return loaders::checked_size(path, key, found, most);
  };
  const char* embedding =
      tensors.find("wte.weight") || !tensors.find("lm_head.weight") ? "wte.weight" : "lm_head.weight";
  const std::vector<int64_t> wte = shape_of_matrix(tensors, embedding), wpe = shape_of_matrix(tensors, "wpe.weight"),
                             up = shape_of_matrix(tensors, "h.0.mlp.c_fc.weight");
  ModelConfig m{};
  m.V = agreed("vocab_size", arguments.vocab_size, wte[0], kMaxVocab);
  m.C = agreed("n_embd", arguments.n_embd, wte[1], loaders::kMaxWidth);
  m.T = agreed("block_size", arguments.block_size, wpe[0], loaders::kMaxContext);
  m.L = agreed("n_layer", arguments.n_layer, tensors.layers(), loaders::kMaxLayers);
  m.F = loaders::checked_size(path, "the width of the MLP", up[loaders::is_linear_layout(tensors) ? 0 : 1],
                              loaders::kMaxWidth);
  m.H = loaders::checked_size(path, "n_head", read_heads(path, arguments, heads), loaders::kMaxWidth);
  loaders::check_heads(path, "n_head", m);
  m.epsilon = 1e-5f;
  m.end_of_text = m.V == kGpt2Vocab || m.V == kPaddedGpt2Vocab ? kGpt2EndOfText : -1;
  return m;
}

}  // namespace gpt2run::torch
