// Copies and edits model folders.
#include "loaders/model_folder.hpp"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace gpt2run::test {
namespace {

constexpr const char* kWeightFile = "model.safetensors";

uint64_t header_size(const std::string& bytes) {
  uint64_t size = 0;
  std::memcpy(&size, bytes.data(), sizeof size);
  return size;
}

}  // namespace

ModelFolder::ModelFolder(const std::string& golden) {
  std::string name = (std::filesystem::temp_directory_path() / "gpt2run-loader-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder: " + name);
  path_ = name;
  const std::filesystem::path source = std::filesystem::path(SOURCE_DIR "/tests/golden/models") / golden;
  for (const auto& file : std::filesystem::directory_iterator(source)) {
    std::filesystem::copy(file.path(), path_ / file.path().filename());
  }
}

ModelFolder::~ModelFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ModelFolder::read(const std::string& file) const {
  std::ifstream stream(path_ / file, std::ios::binary);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  return bytes.str();
}

void ModelFolder::write(const std::string& file, const std::string& bytes) const {
  remove(file);  // file systems flush a file that is cut and written again, which takes milliseconds
  std::ofstream stream(path_ / file, std::ios::binary);
  stream << bytes;
  if (!stream.flush()) throw std::runtime_error("cannot write " + (path_ / file).string());
}

void ModelFolder::edit_json(const std::string& file, const std::function<void(Json&)>& edit) const {
  Json json = Json::parse(read(file));
  edit(json);
  write(file, json.dump());
}

void ModelFolder::set(const std::string& setting, const Json& value) const {
  edit_json("config.json", [&](Json& config) { config[setting] = value; });
}

Json ModelFolder::header() const {
  const std::string bytes = read(kWeightFile);
  return Json::parse(bytes.substr(8, header_size(bytes)));
}

void ModelFolder::edit_header(const std::function<void(Json&)>& edit) const {
  Json json = header();
  edit(json);
  replace_header(json.dump());
}

void ModelFolder::replace_header(const std::string& text) const {
  const std::string bytes = read(kWeightFile);
  const uint64_t size = text.size();
  std::string changed(sizeof size, '\0');
  std::memcpy(changed.data(), &size, sizeof size);
  write(kWeightFile, changed + text + bytes.substr(8 + header_size(bytes)));
}

void ModelFolder::edit_tensors(const std::function<void(std::map<std::string, TensorBytes>&)>& edit) const {
  const std::string bytes = read(kWeightFile);
  const Json stored = header();
  std::map<std::string, TensorBytes> tensors;
  for (const auto& [name, entry] : stored.items()) {
    if (name == "__metadata__") continue;
    const size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    tensors[name] = {entry["dtype"], entry["shape"], bytes.substr(8 + header_size(bytes) + begin, end - begin)};
  }
  edit(tensors);
  Json changed = Json::object();
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    changed[name] = {{"dtype", tensor.dtype},
                     {"shape", tensor.shape},
                     {"data_offsets", {data.size(), data.size() + tensor.data.size()}}};
    data += tensor.data;
  }
  const std::string text = changed.dump();
  const uint64_t size = text.size();
  write(kWeightFile, std::string(reinterpret_cast<const char*>(&size), sizeof size) + text + data);
}

}  // namespace gpt2run::test
