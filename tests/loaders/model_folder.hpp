// A copy of a golden model in a folder of its own, which a test edits: settings, header, bytes. Removed at the end.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace gpt2run::test {

using Json = nlohmann::json;

// A tensor of a safetensors file.
struct TensorBytes {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string data;
};

class ModelFolder {
 public:
  explicit ModelFolder(const std::string& golden = "plain");  // a folder, a relative one of tests/golden/models
  ~ModelFolder();
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;

  std::filesystem::path path(const std::string& file = "") const { return path_ / file; }
  std::string read(const std::string& file) const;
  void write(const std::string& file, const std::string& bytes) const;
  void remove(const std::string& file) const { std::filesystem::remove(path_ / file); }

  // Changes a JSON file.
  void edit_json(const std::string& file, const std::function<void(Json&)>& edit) const;
  void set(const std::string& setting, const Json& value) const;  // in config.json

  // Changes the header of model.safetensors and leaves the data as it is.
  void edit_header(const std::function<void(Json&)>& edit) const;
  void replace_header(const std::string& text) const;
  Json header() const;

  // Changes the tensors of model.safetensors, by name, and writes the file anew.
  void edit_tensors(const std::function<void(std::map<std::string, TensorBytes>&)>& edit) const;

 private:
  std::filesystem::path path_;
};

}  // namespace gpt2run::test
