// Chooses the writer and what it needs.
#include "write_layout.hpp"

#include <algorithm>
#include <optional>

#include "common/pipeline/loader_choice.hpp"
#include "gpt2run/error.hpp"
#include "host/log.hpp"
#include "host/options.hpp"
#include "target.hpp"

namespace gpt2run::convert {
namespace {

namespace fs = std::filesystem;

std::optional<Type> type_of(std::string_view name) {
  for (const Type type : {Type::f32, Type::f16, Type::bf16, Type::i8, Type::u4})
    if (name == name_of(type)) return type;
  return std::nullopt;  // "keep"
}

std::optional<gguf::TensorType> gguf_type_of(std::string_view name) {
  using enum gguf::TensorType;
  for (const auto& [known, type] : {std::pair("fp32", f32), {"fp16", f16}, {"bf16", bf16}, {"q8_0", q8_0}})
    if (name == known) return type;
  return std::nullopt;  // "keep"
}

// Returns what `read` makes of the tokenizer, or nothing if there is none to write, and logs that. is_given: by
// --tokenizer. Throws Error as check_vocabulary(), and for a given tokenizer that is not read or has no place in the
// layout.
template <class Read>
auto read_tokenizer(const std::string& path, bool is_given, const ModelConfig& m, const Read& read)
    -> std::optional<decltype(read())> {
  if (path.empty()) return log_info("the model has no tokenizer: none is written"), std::nullopt;
  bool is_read = false;
  try {
    check_vocabulary(path, *Tokenizer::open(path), m);
    is_read = true;
    return read();
  } catch (const UnreadTokenizer& error) {
    if (is_given) throw;
    return log_warning(std::string("the model's tokenizer ") +
                       (is_read ? "has no place in this layout" : "is not read") +
                       ", none is written: " + error.what()),
           std::nullopt;
  }
}

// The types of each layout, which --type names.
constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
    {"huggingface", "keep|fp32|bf16|fp16|int8|int4"}, {"gguf", "keep|fp32|bf16|fp16|q8_0"}, {"llmc", "keep|fp32|bf16"}};

bool has(std::string_view types, std::string_view type) {
  const std::vector<std::string> all = choices_of(types);
  return std::ranges::find(all, type) != all.end();
}

}  // namespace

void write_layout(const OptionValues& values, OutputSet& files, const Checkpoint& model, const std::string& tokenizer) {
  const std::string_view layout = values.text("to"), type = values.text("type");
  const fs::path out = values.text("out");
  const bool is_given = !values.text("tokenizer").empty();
  const auto read = [&](const auto& reader) { return read_tokenizer(tokenizer, is_given, model.config(), reader); };
  if (layout == "gguf") {
    auto table = read([&] { return token_table(tokenizer); });
    const auto most = static_cast<size_t>(model.config().V);  // llama.cpp expects a row of the embedding for each token
    if (table && table->tokens.size() > most) table->tokens.resize(most);
    return write_gguf(files, out, model, gguf_type_of(type), table ? &*table : nullptr);
  }
  const bool to_llmc = layout == "llmc";
  const auto format = to_llmc ? TokenizerFormat::llmc : TokenizerFormat::huggingface;
  const auto tokenizer_files = read([&] { return gpt2run::tokenizer_files(tokenizer, format); });
  (to_llmc ? write_llmc : write_huggingface)(files, out, model, type_of(type),
                                             tokenizer_files.value_or(std::vector<TokenizerFile>()));
}

void check_type(std::string_view layout, std::string_view type) {
  std::string_view own, other;
  int others = 0;
  for (const auto& [name, types] : kTypes) {
    if (name == layout) own = types;
    if (name != layout && has(types, type)) other = name, ++others;
  }
  if (has(own, type)) return;
  const std::string hint = others == 1 ? ", which only " + std::string(other) + " has" : "";
  usage_error("--type: expected ", own, " for ", layout, ", found ", type, hint);
}

}  // namespace gpt2run::convert
