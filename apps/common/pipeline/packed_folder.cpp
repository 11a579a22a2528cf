// Reads and writes packed.json and packed.bin.
#include "common/pipeline/packed_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>

#include "gpt2run/error.hpp"
#include "gpt2run/files/sha256.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "gpt2run/sdk/output_file.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormat = 1;
constexpr uint64_t kAlignment = 64;
constexpr const char* kManifest = "packed.json";
constexpr const char* kData = "packed.bin";

uint64_t aligned(uint64_t at) { return (at + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t size_in(const json::Value& object, const char* key) {
  const json::Value value = object.at(key);
  if (!value.as_unsigned()) value.refuse("a number from 0");
  return *value.as_unsigned();
}

SourceFile source_file(const json::Value& file) {
  return {file.at("path").text(),
          size_in(file, "device"),
          size_in(file, "inode"),
          size_in(file, "size"),
          file.at("mtime_ns").integer(INT64_MIN, INT64_MAX),
          file.at("head_sha256").text()};
}

Weight weight_named(const json::Value& name) {
  for (int i = 0; i < kWeights; ++i)
    if (name.text() == name_of(static_cast<Weight>(i))) return static_cast<Weight>(i);
  name.refuse("the name of a weight");
}

void write_source(JsonWriter& json, const PackedSource& source, const std::function<void()>& between) {
  json.begin_object();
  json.field("model", source.model);
  json.field("loader", source.loader);
  json.key("files");
  json.begin_list();
  for (const SourceFile& file : source.files) {
    json.begin_object();
    json.field("path", file.path);
    json.field("device", file.device);
    json.field("inode", file.inode);
    json.field("size", file.size);
    json.field("mtime_ns", file.mtime_ns);
    json.field("head_sha256", file.head);
    json.field("sha256", sha256_of_file(file.path, between));
    json.end_object();
  }
  json.end_list();
  json.end_object();
}

std::string manifest_of(const PackedSource& source, std::span<const PackedPart> parts, uint64_t size,
                        const std::string& sum, const std::function<void()>& between) {
  JsonWriter json(1);
  json.begin_object();
  json.field("format", kFormat);
  json.key("source");
  write_source(json, source, between);
  json.key("data");
  json.begin_object();
  json.field("size", size);
  json.field("sha256", sum);
  json.end_object();
  json.key("weights");
  json.begin_list();
  uint64_t at = 0;
  for (const PackedPart& part : parts) {
    json.begin_object();
    json.field("weight", name_of(part.weight));
    json.field("layer", part.layer);
    json.field("layout", part.layout);
    json.field("offset", at);
    json.field("bytes", uint64_t{part.packed.bytes});
    json.end_object();
    at = aligned(at + part.packed.bytes);
  }
  json.end_list();
  json.end_object();
  return json.json() + "\n";
}

// A folder that is open, if it could be opened. Its lock says that a process is at work there; it ends with the
// process.
class OpenFolder {
 public:
  explicit OpenFolder(const fs::path& path, int flags = 0)
      : fd_(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags)) {}
  ~OpenFolder() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFolder(const OpenFolder&) = delete;
  OpenFolder& operator=(const OpenFolder&) = delete;

  int fd() const { return fd_; }  // -1: not open
  // False where another has it, and where the file system has no locks.
  bool lock() const { return fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) == 0; }
  // Whether the path still leads here, and the folder is this user's.
  bool is_at(const fs::path& path) const {
    struct stat own = {}, there = {};
    return fd_ >= 0 && fstat(fd_, &own) == 0 && lstat(path.c_str(), &there) == 0 && own.st_dev == there.st_dev &&
           own.st_ino == there.st_ino && own.st_uid == geteuid();
  }

 private:
  int fd_;
};

std::string read_manifest(int folder, const std::string& path) {
  constexpr size_t kMost = size_t{256} << 20;
  const int fd = openat(folder, kManifest, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail(path, ": cannot be read: ", std::strerror(errno));
  std::string text(size_t{1} << 16, '\0');
  size_t size = 0;
  ssize_t count = 0;
  while (size < kMost && ((count = read(fd, &text[size], text.size() - size)) > 0 || (count < 0 && errno == EINTR))) {
    size += static_cast<size_t>(std::max<ssize_t>(count, 0));
    if (size == text.size()) text.resize(2 * size);
  }
  const int reason = errno;
  close(fd);
  if (count < 0) fail(path, ": cannot be read: ", std::strerror(reason));
  if (size >= kMost) fail(path, ": expected less than ", kMost, " bytes");
  text.resize(size);
  return text;
}

json::Document manifest_in(const OpenFolder& folder, const fs::path& path) {
  const std::string name = (path / kManifest).string();
  json::Document document = json::parse(read_manifest(folder.fd(), name), name);
  const json::Value format = document.root().at("format");
  if (format.as_integer() != kFormat) format.refuse(std::to_string(kFormat) + ", the version that is read here");
  return document;
}

PackedSource source_in(const json::Value& root) {
  const json::Value source = root.at("source");
  PackedSource found{source.at("model").text(), source.at("loader").text(), {}};
  for (const json::Value& file : source.at("files").list()) found.files.push_back(source_file(file));
  return found;
}

constexpr std::string_view kTemporary = ".tmp", kOld = ".old";

// The temporary name that a file would have, with a number behind its random digits, for threads write at once.
fs::path temporary_folder(const fs::path& folder) {
  static std::atomic<int> count = 0;
  fs::path path = detail::temporary_name(folder);
  return path.replace_extension() += std::to_string(count++) + std::string(kTemporary);
}

// The part of a temporary folder's name that says which folder it was to become, or "" for another name:
// ".NAME.PROCESS-RANDOM.tmp", and ".old" behind it for one that was replaced.
std::string_view name_in(std::string_view temporary) {
  bool is_one = temporary.starts_with('.');
  const auto remove = [&](std::string_view digits, char before) {
    const size_t last = temporary.find_last_not_of(digits);
    is_one = is_one && last != temporary.npos && last + 1 < temporary.size() && temporary[last] == before;
    if (is_one) temporary = temporary.substr(0, last);
  };
  if (temporary.ends_with(kOld)) temporary.remove_suffix(kOld.size());
  if (!temporary.ends_with(kTemporary)) return "";
  temporary.remove_suffix(kTemporary.size());
  remove("0123456789abcdef", '-');
  remove("0123456789", '.');
  return is_one ? temporary.substr(1) : "";
}

// A folder with a temporary name, which is removed with its contents unless publish() has renamed it.
class Aside {
 public:
  explicit Aside(const fs::path& folder) : target_(folder) {
    std::error_code error;
    fs::create_directories(target_.parent_path(), error);
    const std::string temporary = temporary_folder(folder).filename().string(), own(name_in(temporary));
    remove_unfinished(target_.parent_path(), [&](std::string_view name) { return name == own; });
    for (int tries = 0; !make(); ++tries)
      if (tries == 10) fail(target_.string(), ": cannot be made: ", std::strerror(EAGAIN));
  }
  ~Aside() {
    if (!path_.empty()) remove();
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;

  fs::path file(const char* name) const { return path_ / name; }

  // An older folder of the name is moved away first. Where another process was quicker, its folder stays.
  void publish() {
    sync_folder(path_);
    const OpenFolder replaced(target_, O_NOFOLLOW);
    replaced.lock();
    const fs::path old = path_.string() + std::string(kOld);
    std::error_code error, ignored;
    bool is_another = false;
    for (int tries = 0; tries < 10; ++tries) {
      fs::rename(target_, old, ignored);
      fs::rename(path_, target_, error);
      if (error) is_another = PackedFolder::is_one(target_);
      if (error && !is_another) fs::rename(old, target_, ignored);
      remove_packed(old);
      // Another process may have put its folder there, and a third one have moved it away since.
      if (is_another || (error != std::errc::directory_not_empty && error != std::errc::file_exists)) break;
    }
    if (is_another) error.clear(), fs::remove_all(path_, ignored);
    if (error) fail(target_.string(), ": cannot be put in place: ", error.message());
    path_.clear();
    sync_folder(target_.parent_path());
  }

 private:
  static void remove_packed(const fs::path& folder) {
    std::error_code ignored;
    for (const char* name : {kManifest, kData}) fs::remove(folder / name, ignored);
    fs::remove(folder, ignored);
  }

  // False where another process has taken the folder for an unfinished one, between the two steps.
  bool make() {
    fs::path path = temporary_folder(target_);
    files_ = {(path / kData).string(), (path / kManifest).string()};
    if (mkdir(path.c_str(), 0700) != 0) fail(target_.string(), ": cannot be made: ", std::strerror(errno));
    path_ = std::move(path);
    open_.emplace(path_, O_NOFOLLOW);
    const int reason = open_->fd() < 0 ? errno : 0;
    const bool is_taken = !open_->lock() && errno == EWOULDBLOCK;
    if (!is_taken && open_->is_at(path_)) return true;
    remove();
    path_.clear();
    if (reason != 0 && reason != ENOENT) fail(target_.string(), ": cannot be made: ", std::strerror(reason));
    return false;
  }

  // Takes neither memory nor a file, which may be what has failed.
  void remove() const {
    for (const std::string& file : files_) unlink(file.c_str());
    rmdir(path_.c_str());
  }

  fs::path target_, path_;
  std::array<std::string, 2> files_;
  std::optional<OpenFolder> open_;
};

void write_file(const fs::path& path, const std::function<void(OutputFile&)>& fill) {
  OutputFile file(path);
  fill(file);
  file.publish();
}

}  // namespace

bool PackedFolder::is_one(const fs::path& folder) { return is_there(folder / kManifest); }

void PackedFolder::check_replaceable(const fs::path& folder) {
  // A folder that holds no packed weights may be one that another process is moving away, to put its own there: it is
  // looked at again.
  for (int tries = 0;; ++tries) {
    const fs::file_status status = status_of(folder, Links::keep);
    if (!fs::exists(status)) return;
    if (!fs::is_directory(status))
      fail(folder.string(), ": expected a folder of packed weights or none, found another file");
    const OpenFolder open(folder, O_NOFOLLOW);
    if (open.fd() >= 0 && faccessat(open.fd(), kManifest, F_OK, 0) == 0) break;
    if (tries == 10 || open.is_at(folder)) fail(folder.string(), ": already exists and holds no packed weights");
  }
  for (const fs::path& entry : entries_of(folder)) {
    const std::string name = entry.filename().string();
    if (name != kManifest && name != kData)
      fail(folder.string(), ": expected packed weights alone, found ", in_quotes(name),
           " beside them, which would be lost: give another place");
  }
}

PackedSource PackedFolder::source_of(const fs::path& folder) {
  const OpenFolder open(folder);
  const json::Document document = manifest_in(open, folder);
  return source_in(document.root());
}

PackedFolder::PackedFolder(const fs::path& folder) : path_(folder.string()) {
  const OpenFolder open(folder);
  const json::Document document = manifest_in(open, folder);
  const json::Value root = document.root(), data = root.at("data");
  source_ = source_in(root);
  for (const json::Value& file : root.at("source").at("files").list())
    sums_[file.at("path").text()] = file.at("sha256").text();
  data_sum_ = data.at("sha256").text();
  const uint64_t size = size_in(data, "size");
  map_data(open.fd(), size);
  uint64_t end = 0;  // weights stand one behind another, in the order of the list
  for (const json::Value& part : root.at("weights").list()) {
    const uint64_t offset = size_in(part, "offset"), bytes = size_in(part, "bytes");
    if (offset % kAlignment || offset < end || offset > size)
      part.at("offset").refuse("a place within packed.bin at a multiple of 64 bytes, behind the weight before it");
    if (bytes > size - offset) part.at("bytes").refuse("a size within packed.bin");
    end = offset + bytes;
    const auto layer = static_cast<int>(part.at("layer").integer(0, INT32_MAX));
    weights_[{{weight_named(part.at("weight")), layer}, part.at("layout").text()}] = {data_.get() + offset, bytes};
  }
}

void PackedFolder::map_data(int folder, uint64_t size) {
  const std::string path = path_ + "/" + kData;
  const int fd = openat(folder, kData, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) fail(path, ": expected a readable file: ", std::strerror(errno));
  struct stat status {};
  const bool is_right =
      fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && static_cast<uint64_t>(status.st_size) == size && size > 0;
  void* data = is_right ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
  close(fd);
  if (!is_right) fail(path, ": expected a file of ", size, " bytes, found ", status.st_size);
  if (data == MAP_FAILED) fail(path, ": ", size, " bytes cannot be mapped: ", std::strerror(errno));
  data_ = {static_cast<const char*>(data), Unmap{size}};
  madvise(data, size, MADV_WILLNEED);
}

void PackedFolder::Unmap::operator()(const char* data) const { munmap(const_cast<char*>(data), size); }

PackedWeights PackedFolder::find(Weight weight, int layer, std::string_view layout) const {
  const auto found = weights_.find(Key{{weight, layer}, std::string(layout)});
  return found == weights_.end() ? PackedWeights{nullptr, 0} : found->second;
}

bool PackedFolder::holds(Weight weight, Type type) const {
  const std::string word = std::string(1, ':').append(name_of(type)).append(":");
  const auto has_word = [&](const std::string& layout) {
    std::string words = std::string(1, ':').append(layout).append(":");
    std::replace(words.begin(), words.end(), '=', ':');
    return words.find(word) != words.npos;
  };
  return std::any_of(weights_.begin(), weights_.end(), [&](const auto& one) {
    return one.first.first == std::pair(weight, 0) && has_word(one.first.second);
  });
}

void PackedFolder::verify(const std::function<void()>& between) const {
  const auto check = [&](const std::string& path, const std::string& sum) {
    const std::string found = sha256_of_file(path, between);
    if (found != sum) fail(path, ": expected the SHA-256 ", sum, ", which it had when it was packed, found ", found);
  };
  for (const auto& [path, sum] : sums_) check(path, sum);
  check(path_ + "/" + kData, data_sum_);
}

fs::path without_last_slash(fs::path folder) {
  while (folder.has_relative_path() && (!folder.has_filename() || folder.filename() == ".") && folder.has_parent_path())
    folder = folder.parent_path();
  return folder;
}

void remove_unfinished(const fs::path& parent, const std::function<bool(std::string_view)>& is_name) {
  std::error_code error;
  std::vector<fs::path> found;
  for (const fs::path& entry : entries_of(parent, error)) {
    const std::string file = entry.filename().string();
    if (const std::string_view name = name_in(file); !name.empty() && is_name(name)) found.push_back(entry);
  }
  for (const fs::path& path : found)
    if (const OpenFolder folder(path, O_NOFOLLOW); folder.lock() && folder.is_at(path)) fs::remove_all(path, error);
}

void write_packed_folder(const fs::path& folder, const PackedSource& source, std::span<const PackedPart> parts,
                         const std::function<void()>& between) {
  constexpr uint64_t kStep = uint64_t{1} << 20;
  const fs::path target = fs::absolute(without_last_slash(folder));
  PackedFolder::check_replaceable(target);
  Aside aside(target);
  Sha256 sum;
  uint64_t size = 0;
  write_file(aside.file(kData), [&](OutputFile& file) {
    const auto write = [&](std::string_view bytes) {
      sum.add(bytes);
      file.write(bytes);
      if (between) between();
    };
    for (const PackedPart& part : parts) {
      const std::string_view bytes(static_cast<const char*>(part.packed.data), part.packed.bytes);
      for (size_t at = 0; at < bytes.size(); at += kStep) write(bytes.substr(at, kStep));
      size += bytes.size();
      write(std::string(aligned(size) - size, '\0'));
      size = aligned(size);
    }
  });
  write_file(aside.file(kManifest),
             [&](OutputFile& file) { file.write(manifest_of(source, parts, size, sum.hex(), between)); });
  aside.publish();
}

}  // namespace gpt2run
