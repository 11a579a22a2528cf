// gpt2convert: writes a model in another file format. Messages go to standard error. Exit codes: 0 for success, 2 for a
// wrong command line, 1 for any other error. After an error nothing has been written.
#include "common/config/create.hpp"
#include "common/pipeline/compose.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "host/log.hpp"
#include "inputs.hpp"
#include "target.hpp"

namespace gpt2run::convert {
namespace {

namespace fs = std::filesystem;

constexpr CoreOption kOptions[] = {
    {{"model", "text", "", "", "folder, file or synthetic:... to read"}, 'm'},
    {{"loader", "text", "", "", "weight loader; else the one that knows the model best"}},
    {{"to", "enum", "huggingface", "huggingface|llmc|gguf", "layout to write"}},
    {{"out", "text", "", "",
      "huggingface: the folder to write; llmc: the .bin file, with gpt2_tokenizer.bin beside it; gguf: the .gguf file"},
     'o'},
    {{"type", "enum", "keep", "keep|fp32|bf16|fp16|q8_0|int8|int4",
      "number type of the weights; llmc has no fp16, only gguf has q8_0, only huggingface int8 and int4"}},
    {{"tokenizer", "text", "", "", "path of a tokenizer; else the model's own, if it has one"}},
    {{"force", "bool", "off", "", "replace files that are there; never those that are read"}},
    {{"plugin_dir", "text", "", "", "folder with plugins, searched first"}, 0, true},
    {{"quiet", "bool", "off", "", "no messages but warnings and errors"}, 'q'},
    {{"help", "bool", "off", "", "print the options"}, 'h'},
};

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

// Writes the model to the files of the layout that --to names. tokenizer: its path, or empty.
void write(const OptionValues& values, OutputSet& files, const Checkpoint& model, const std::string& tokenizer) {
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

// Throws Error where the layout does not have the type.
void check_type(std::string_view layout, std::string_view type) {
  const bool is_quantised = type == name_of(Type::i8) || type == name_of(Type::u4);
  const char* only = is_quantised ? "huggingface" : type == "q8_0" ? "gguf" : "";
  if (*only && layout != only)
    usage_error("--type: expected fp32, bf16, fp16 or keep for ", layout, ", found ", type, ", which only ", only,
                " has");
}

void convert(PluginHost& host, Configuration& configuration) {
  const OptionValues& values = configuration.values();
  const std::string given(values.text("tokenizer"));
  const fs::path out = values.text("out");
  if (values.text("model").empty()) usage_error("--model: expected a folder, a file or synthetic:..., found none");
  if (out.empty()) usage_error("--out: expected a path, found none");
  if (out == "-") usage_error("--out: expected a path, found \"-\": a model is not written to standard output");
  const std::string_view layout = values.text("to");
  std::error_code ignored;
  if (layout != "huggingface" && (fs::is_directory(out, ignored) || !out.has_filename()))
    usage_error("--out: expected a file for ", layout, ", found a folder, ", in_quotes(out.string()));
  check_type(layout, values.text("type"));
  const std::string model = model_of(configuration);
  BoundPlugin chosen = choose_loader(host, configuration, model);
  BoundPlugin* const all[] = {&chosen};
  bind_options(configuration, host, all);
  const auto loader = create<Loader>(chosen);
  const auto checkpoint = loader->open(model.c_str());
  const char* own = checkpoint->tokenizer();
  const std::string tokenizer = given.empty() && own ? own : given;
  OutputSet files(inputs_of(model, tokenizer), values.flag("force"));
  write(values, files, *checkpoint, tokenizer);
  files.publish();
  for (const OutputFile& file : files.files())
    log_info("wrote " + file.path() + ", " + shown_bytes(static_cast<int64_t>(fs::file_size(file.path()))));
}

void start(std::vector<std::string> arguments) {
  Configuration configuration(kOptions, std::move(arguments));
  const OptionValues& values = configuration.values();
  set_quiet(values.flag("quiet"));
  if (values.flag("help"))
    return print("usage: gpt2convert --model MODEL --to LAYOUT --out PATH [options]\n\n" +
                 help_of(configuration.core()));
  watch_interrupts();
  PluginHost host = plugin_host(configuration);
  convert(host, configuration);
}

}  // namespace
}  // namespace gpt2run::convert

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2convert", count, arguments, [](std::vector<std::string> given) {
    gpt2run::convert::start(std::move(given));
    return 0;
  });
}
