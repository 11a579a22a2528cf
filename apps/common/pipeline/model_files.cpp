// Lists files by name alone.
#include "common/pipeline/model_files.hpp"

#include <string>

#include "gpt2run/sdk/folder.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

void add_files(const fs::path& path, std::vector<fs::path>& files) {
  if (!is_folder(path)) return files.push_back(path);
  for (fs::path& file : entries_of(path)) files.push_back(std::move(file));
}

}  // namespace

std::vector<fs::path> files_at(const fs::path& path) {
  std::vector<fs::path> files;
  add_files(path, files);
  return files;
}

std::vector<fs::path> model_files(const fs::path& model) {
  std::vector<fs::path> files = files_at(model);
  const bool is_prefix = is_there(model.string() + ".index");  // of TensorFlow's files
  if (!is_prefix && !is_file(model)) return files;
  // Settings stand beside a file of weights. What is one of several files is read with the others.
  const fs::path folder = fs::absolute(model).parent_path();
  for (const char* name : {"config.json", "generation_config.json", "hparams.json"}) files.push_back(folder / name);
  const std::string name = model.filename().string();
  const bool is_part = is_prefix || name.find("-of-") != name.npos || name.ends_with(".safetensors") ||
                       name.ends_with(".json") || name.ends_with(".index") || name.ends_with(".meta");
  if (is_part) add_files(folder, files);
  return files;
}

}  // namespace gpt2run
