// Tokenizer folders made for a test.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace gpt2run::test {

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder of its own that goes with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpt2run-test-XXXXXX").string();
    x_path = ::mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(x_path); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return x_path; }
  std::string string() const { return x_path.string(); }
  void write(const char* name, std::string_view bytes) const {
    std::ofstream(x_path / name, std::ios::binary) << bytes;
  }

 private:
  std::filesystem::path x_path;
};

inline std::filesystem::path demo_folder() { return std::filesystem::path(SOURCE_DIR) / "models/demo"; }

}  // namespace gpt2run::test
