// Writes a model as a checkpoint of llm.c.
#include <string>

#include "common/pipeline/explain.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "target.hpp"
#include "write_values.hpp"

namespace gpt2run::convert {
namespace {

constexpr int32_t kMagic = 20240326, kHeaderWords = 256;
constexpr int32_t kPadding = 128;  // llm.c pads the rows of wte with zeros to a multiple of this

// Throws Error unless the model has GPT-2's values of what the format does not store.
void check(const std::string& where, const Checkpoint& model) {
  const ModelConfig& m = model.config();
  const auto refuse = [&](const char* what, const auto& expected, const auto& found) {
    fail(where, ": llm.c's checkpoint: ", what, ": expected ", expected, ", found ", found);
  };
  if (!is_tied(model)) refuse("output head", "the token embedding", "one of its own");
  if (m.F != 4 * m.C) refuse("width of the MLP", 4 * m.C, m.F);
  if (m.epsilon != 1e-5f) refuse("epsilon of the layernorms", "1e-05", m.epsilon);
  if (m.end_of_text != m.V - 1) refuse("end of text", m.V - 1, m.end_of_text);
  if (m.other_ends[0] >= 0) refuse("tokens that end a text", "one", "more");
  if (m.start_of_text >= 0) refuse("start of text", "the end of text", m.start_of_text);
  if (m.activation != Activation::gelu_tanh)
    refuse("activation", name_of(Activation::gelu_tanh), name_of(m.activation));
  if (m.scale_by_layer) refuse("attention scores", "the same scale in all layers", "one for each layer");
}

// The type of a weight without --type. What is quantised here is FP32 there, which changes no value.
Type kept_type(Type own) { return is_quantised(own) ? Type::f32 : own; }

// The type of all tensors. Throws Error when they differ, or when the format does not have it.
Type type_of(const std::string& where, const Checkpoint& model, std::optional<Type> given) {
  const Type type = given.value_or(kept_type(model.tensor(Weight::wte, 0).type));
  for (int i = 0; i < kWeights && !given; ++i) {
    const auto weight = static_cast<Weight>(i);
    for (int layer = 0; layer < (is_per_layer(weight) ? model.config().L : 1); ++layer) {
      const Type own = kept_type(model.tensor(weight, layer).type);
      if (own == type) continue;
      fail(where, ": llm.c's checkpoint: expected one type, found ", name_of(own), " in ", shown_name(weight, layer),
           " and ", name_of(type), " in wte; --type chooses one");
    }
  }
  if (type != Type::f32 && type != Type::bf16)
    fail(where, ": llm.c's checkpoint: expected fp32 or bf16, found ", name_of(type), "; --type chooses one");
  return type;
}

}  // namespace

void write_llmc(OutputSet& files, const std::filesystem::path& path, const Checkpoint& model, std::optional<Type> given,
                const std::vector<TokenizerFile>& tokenizer) {
  const ModelConfig& m = model.config();
  check(path.string(), model);
  const Type type = type_of(path.string(), model, given);
  const std::filesystem::path folder = path.parent_path();
  if (tokenizer.empty()) files.refuse(folder / "gpt2_tokenizer.bin");
  for (const TokenizerFile& file : tokenizer) files.add(folder / file.name, file.bytes);
  const int32_t padded = (m.V + kPadding - 1) / kPadding * kPadding;
  const int32_t header[kHeaderWords] = {kMagic, type == Type::f32 ? 3 : 5, m.T, m.V, m.L, m.H, m.C, padded};
  OutputFile& file = files.add(path);
  file.write({reinterpret_cast<const char*>(header), sizeof header});
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    if (weight == Weight::head_w) continue;
    for (int layer = 0; layer < (is_per_layer(weight) ? m.L : 1); ++layer)
      write_values(file, model.tensor(weight, layer), type, shown_name(weight, layer));
    if (weight == Weight::wte) file.write(std::string(static_cast<size_t>(padded - m.V) * m.C * bytes_of(type), '\0'));
  }
}

}  // namespace gpt2run::convert
