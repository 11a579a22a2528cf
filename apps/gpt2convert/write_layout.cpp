// Chooses the writer and what it needs.
#include "write_layout.hpp"

#include <optional>

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

// Returns whether there is a tokenizer, and logs if not. is_given: by --tokenizer. Throws Error for one that is larger
// than the vocabulary, and for a given one that is not read.
bool has_tokenizer(const std::string& path, bool is_given, const ModelConfig& m) {
  if (path.empty()) return log_info("the model has no tokenizer: none is written"), false;
  try {
    const int32_t size = Tokenizer::open(path)->size();
    if (size <= m.V) return true;
    fail("tokenizer ", path, ": expected at most ", m.V, " tokens, the model's vocabulary, found ", size);
  } catch (const UnreadTokenizer& error) {
    if (is_given) throw;
    return log_warning(std::string("the model's tokenizer is not read, none is written: ") + error.what()), false;
  }
}

}  // namespace

void write_layout(const OptionValues& values, OutputSet& files, const Checkpoint& model, const std::string& tokenizer) {
  const std::string_view layout = values.text("to"), type = values.text("type");
  const fs::path out = values.text("out");
  const bool has = has_tokenizer(tokenizer, !values.text("tokenizer").empty(), model.config());
  if (layout == "gguf") {
    const std::optional<TokenTable> table = has ? std::optional(token_table(tokenizer)) : std::nullopt;
    return write_gguf(files, out, model, gguf_type_of(type), table ? &*table : nullptr);
  }
  const bool to_llmc = layout == "llmc";
  const auto format = to_llmc ? TokenizerFormat::llmc : TokenizerFormat::huggingface;
  const auto tokenizer_files = has ? gpt2run::tokenizer_files(tokenizer, format) : std::vector<TokenizerFile>();
  (to_llmc ? write_llmc : write_huggingface)(files, out, model, type_of(type), tokenizer_files);
}

void check_type(std::string_view layout, std::string_view type) {
  const bool is_quantised = type == name_of(Type::i8) || type == name_of(Type::u4);
  const char* only = is_quantised ? "huggingface" : type == "q8_0" ? "gguf" : "";
  if (*only && layout != only)
    usage_error("--type: expected fp32, bf16, fp16 or keep for ", layout, ", found ", type, ", which only ", only,
                " has");
}

}  // namespace gpt2run::convert
