// Lists what a conversion reads.
#include "inputs.hpp"

namespace gpt2run::convert {
namespace {

namespace fs = std::filesystem;

// Adds the files that are read: the path itself, or all files in a folder.
void add_inputs(const fs::path& path, std::vector<fs::path>& inputs) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return inputs.push_back(path);
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error))
    inputs.push_back(file->path());
}

}  // namespace

std::vector<fs::path> inputs_of(const fs::path& model, const std::string& tokenizer) {
  std::vector<fs::path> inputs;
  add_inputs(model, inputs);
  if (!tokenizer.empty()) add_inputs(tokenizer, inputs);
  std::error_code ignored;
  const bool is_prefix = fs::exists(model.string() + ".index", ignored);  // of TensorFlow's files
  if (!is_prefix && !fs::is_regular_file(model, ignored)) return inputs;
  // Settings stand beside a file of weights. What is one of several files is read with the others.
  const fs::path folder = fs::absolute(model).parent_path();
  for (const char* name : {"config.json", "generation_config.json", "hparams.json"}) inputs.push_back(folder / name);
  const std::string name = model.filename().string();
  const bool is_part = is_prefix || name.find("-of-") != name.npos || name.ends_with(".safetensors") ||
                       name.ends_with(".json") || name.ends_with(".index") || name.ends_with(".meta");
  if (is_part) add_inputs(folder, inputs);
  return inputs;
}

}  // namespace gpt2run::convert
