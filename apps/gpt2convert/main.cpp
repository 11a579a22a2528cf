// gpt2convert: writes a model in another file format. Messages go to standard error. Exit codes: 0 for success, 2 for a
// wrong command line, 1 for any other error. After an error nothing has been written.
#include "common/config/create.hpp"
#include "common/pipeline/compose.hpp"
#include "common/pipeline/explain.hpp"
#include "common/pipeline/loader_choice.hpp"
#include "common/pipeline/model_files.hpp"
#include "common/pipeline/packed_model.hpp"
#include "common/pipeline/verify.hpp"
#include "common/program/interrupt.hpp"
#include "common/program/program.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/log.hpp"
#include "write_layout.hpp"
#include "write_packed.hpp"

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
    {{"packed", "text", "", "", "precision: write the weights as its kernels read them, into the folder --out"}},
    {{"verify", "bool", "off", "",
      "write nothing; check the sums of the model's files, and of packed weights and the files that they are from"}},
    {{"tokenizer", "text", "", "", "path of a tokenizer; else the model's own, if it has one"}},
    {{"force", "bool", "off", "", "replace files that are there; never those that are read"}},
    {{"plugin_dir", "text", "", "", "folder with plugins, searched first"}, 0, true},
    {{"quiet", "bool", "off", "", "no messages but warnings and errors"}, 'q'},
    {{"help", "bool", "off", "", "print the options"}, 'h'},
};

// Throws UsageError for a folder with the name of a file, which is hardly meant.
void check_name(const fs::path& folder) {
  if (is_folder(folder)) return;
  const fs::path ending = folder.extension();
  const auto refuse = [&](const std::string& cure) {
    usage_error("--out: ", in_quotes(folder.string()), " is the name of a file: ", cure,
                ", or add --to huggingface for a folder of that name");
  };
  for (const auto& [written, layout] : {std::pair(".gguf", "gguf"), {".bin", "llmc"}})
    if (ending == written) refuse(std::string("add --to ") + layout);
  if (ending == ".safetensors") refuse("name a folder, in which model.safetensors is written beside its config.json");
  for (const char* foreign : {".pt", ".pth", ".ckpt", ".h5", ".onnx"})
    if (ending == foreign) refuse("name a folder, since files of this kind are not written");
}

// Throws UsageError for options that do not go together.
void check(const Configuration& configuration) {
  const OptionValues& values = configuration.values();
  const fs::path out = values.text("out");
  const std::string_view layout = values.text("to");
  if (values.text("model").empty()) usage_error("--model: expected a folder, a file or synthetic:..., found none");
  if (values.flag("verify")) return;
  if (out.empty()) usage_error("--out: expected a path, found none");
  if (out == "-") usage_error("--out: expected a path, found \"-\": a model is not written to standard output");
  for (const char* option : {"to", "type", "tokenizer"})
    if (!values.text("packed").empty() && configuration.layer(option) != Layer::fallback)
      usage_error("--packed: not beside --", option,
                  ": packed weights have the type and the layout of their precision");
  if (configuration.layer("to") == Layer::fallback && values.text("packed").empty()) check_name(out);
  if (layout != "huggingface" && (is_folder(out) || !out.has_filename()))
    usage_error("--out: expected a file for ", layout, ", found a folder, ", in_quotes(out.string()));
  check_type(layout, values.text("type"));
}

void convert(const OptionValues& values, Loader& loader, const std::string& model, const std::string& source) {
  const std::string given(values.text("tokenizer"));
  const auto checkpoint = loader.open(source.c_str());
  const char* own = checkpoint->tokenizer();
  const std::string tokenizer = given.empty() && own ? own : given;
  std::vector<fs::path> inputs = model_files(source);
  for (const std::string& more : {tokenizer, model}) {
    const std::vector<fs::path> others = more.empty() ? std::vector<fs::path>() : files_at(more);
    inputs.insert(inputs.end(), others.begin(), others.end());
  }
  const fs::path out = values.text("out");
  const fs::path sums = values.text("to") == "huggingface" ? out / kSumsOfFolder : fs::path(out.string() + kSumsOfFile);
  OutputSet files(std::move(inputs), sums, values.flag("force"));
  write_layout(values, files, *checkpoint, tokenizer);
  files.add_sums();
  files.publish();
  for (const OutputFile& file : files.files())
    log_info("wrote " + file.path() + ", " + shown_bytes(static_cast<int64_t>(fs::file_size(file.path()))));
}

void run(PluginHost& host, Configuration& configuration) {
  const OptionValues& values = configuration.values();
  check(configuration);
  const std::string model = model_of(configuration), source = source_of_model(model);
  std::vector<BoundPlugin> chosen = {choose_loader(host, configuration, model)};
  const bool is_packed = !values.text("packed").empty();
  if (is_packed) {
    const PluginSpec spec = single_plugin(configuration, "packed");
    chosen.emplace_back(host.precision(spec.name), spec, configuration.layer("packed"), &host);
  }
  std::vector<BoundPlugin*> all;
  for (BoundPlugin& one : chosen) all.push_back(&one);
  bind_options(configuration, host, all);
  if (values.flag("verify")) {
    verify_model(configuration, chosen.front(), model, true);
    create<Loader>(chosen.front())->open(source.c_str());  // which may check sums within the files
    return;
  }
  const auto loader = create<Loader>(chosen.front());
  if (!is_packed) return convert(values, *loader, model, source);
  const PackedSource files = look_at_source(source, chosen.front().plugin->name);
  write_packed(values.text("out"), loader->open(source.c_str()), files, chosen.back(), values.flag("force"));
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
  run(host, configuration);
}

}  // namespace
}  // namespace gpt2run::convert

int main(int count, char** arguments) {
  return gpt2run::run_main("gpt2convert", count, arguments, [](std::vector<std::string> given) {
    gpt2run::convert::start(std::move(given));
    return 0;
  });
}
