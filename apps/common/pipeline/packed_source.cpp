// Looks at the files of a model.
#include "common/pipeline/packed_source.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/pipeline/model_files.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/files/sha256.hpp"
#include "gpt2run/sdk/folder.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kHead = 64 << 10, kMostHead = 100'000'000;

// Whether a file may hold weights or settings on which weights depend. Results and notes beside them do not count.
bool is_source(const fs::path& file) {
  const std::string name = file.filename().string();
  for (const char* whole : {"config.json", "generation_config.json", "hparams.json", "checkpoint"})
    if (name == whole) return true;
  for (const char* end : {".safetensors", ".bin", ".pt", ".pth", ".gguf", ".ckpt", ".index", ".meta", ".index.json"})
    if (name.ends_with(end)) return true;
  return name.find(".data-") != name.npos;
}

// The first bytes of a file. Its header may be longer than what is looked at of any file.
std::string head_of(const std::string& path) {
  InputFile file(path);
  std::string bytes;
  const auto fill = [&](uint64_t size) {
    size_t at = bytes.size();
    bytes.resize(size);
    while (at < size) {
      const size_t count = file.read(bytes.data() + at, size - at);
      if (count == 0) return bytes.resize(at);
      at += count;
    }
  };
  fill(kHead);
  uint64_t header = 0;
  if (!path.ends_with(".safetensors") || bytes.size() < sizeof header) return bytes;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header > kHead - sizeof header && header <= kMostHead) fill(header + sizeof header);
  return bytes;
}

SourceFile look_at(const fs::path& file) {
  const std::string path = fs::canonical(file).string();
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) fail(path, ": expected a readable file: ", std::strerror(errno));
  constexpr int64_t kSecond = 1'000'000'000;
  return {path,
          status.st_dev,
          status.st_ino,
          static_cast<uint64_t>(status.st_size),
          status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec,
          sha256_of(head_of(path))};
}

}  // namespace

std::vector<fs::path> source_files(const std::string& model) {
  std::vector<fs::path> files;
  for (const fs::path& file : model_files(model))
    if (is_file(file) && (is_source(file) || file == model)) files.push_back(file);
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

PackedSource look_at_source(const std::string& model, const std::string& loader) {
  PackedSource source{"", loader, {}};
  try {
    source.model = fs::weakly_canonical(model).string();
    for (const fs::path& file : source_files(model)) source.files.push_back(look_at(file));
  } catch (const fs::filesystem_error& broken) {
    fail(model, ": ", broken.code().message());
  }
  if (source.files.empty()) fail(model, ": expected a model in files, found none");
  std::sort(source.files.begin(), source.files.end(), [](auto& a, auto& b) { return a.path < b.path; });
  source.files.erase(std::unique(source.files.begin(), source.files.end()), source.files.end());
  return source;
}

std::string difference(const PackedSource& then, const PackedSource& now) {
  if (then.loader != now.loader) return "it was read by the loader " + then.loader + ", now by " + now.loader;
  if (then.model != now.model) return "it was " + then.model + ", now " + now.model;
  for (const SourceFile& old : then.files) {
    const auto found =
        std::find_if(now.files.begin(), now.files.end(), [&](auto& one) { return one.path == old.path; });
    if (found == now.files.end()) return old.path + " is not there";
    if (*found == old) continue;
    return old.path + (found->size != old.size
                           ? " has " + std::to_string(found->size) + " bytes, had " + std::to_string(old.size)
                       : found->head != old.head ? " has other first bytes"
                                                 : " was changed or copied");
  }
  for (const SourceFile& one : now.files)
    if (std::none_of(then.files.begin(), then.files.end(), [&](auto& old) { return old.path == one.path; }))
      return one.path + " is new";
  return "";
}

std::string sha256_of_file(const std::string& path, const std::function<void()>& between) {
  if (!is_file(path)) fail(path, ": expected a regular file");  // a device may have no end
  InputFile file(path);
  Sha256 sum;
  std::string buffer(size_t{1} << 20, '\0');
  while (const size_t count = file.read(buffer.data(), buffer.size())) {
    if (between) between();
    sum.add({buffer.data(), count});
  }
  return sum.hex();
}

}  // namespace gpt2run
