// Finds the packed weights of a model.
#include "common/pipeline/packed_model.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "common/config/create.hpp"
#include "common/program/interrupt.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/sha256.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "GPT2RUN_CACHE";

// Throws Error unless the folder is there, or can be made, and nobody else may write to it.
void prepare_cache(const fs::path& given) {
  const fs::path cache = without_last_slash(given);
  const std::string where = std::string(kVariable) + " " + in_quotes(given.string());
  std::error_code error;
  if (cache.has_parent_path()) fs::create_directories(cache.parent_path(), error);
  if (mkdir(cache.c_str(), 0700) != 0 && errno != EEXIST)
    fail(where, ": expected a folder that can be made: ", std::strerror(errno));
  struct stat status {};
  if (stat(cache.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) fail(where, ": expected a folder");
  if (status.st_uid != geteuid() || (status.st_mode & 022))
    fail(where, ": expected a folder of this user, to which nobody else may write");
}

// The beginning of the names of a model's folders.
std::string name_of_source(const PackedSource& source) {
  return sha256_of(source.loader + "\n" + source.model).substr(0, 24) + "-";
}

// The name of the folder with these layouts.
std::string name_of_parts(const PackedSource& source, std::span<const PackedPart> parts) {
  std::string layouts;
  for (const PackedPart& part : parts)
    if (part.layer == 0) layouts += std::string(name_of(part.weight)) + " " + part.layout + "\n";
  return name_of_source(source) + sha256_of(layouts).substr(0, 16);
}

std::vector<PackedFolder> folders_in(const fs::path& cache, const PackedSource& source) {
  std::vector<PackedFolder> found;
  const std::string name = name_of_source(source);
  std::error_code error;
  for (const fs::path& entry : entries_of(cache, error)) {
    if (!entry.filename().string().starts_with(name)) continue;
    try {
      PackedFolder folder(entry);
      if (folder.source() == source) found.push_back(std::move(folder));
    } catch (const Error& broken) {
      log_warning(std::string("packed weights are not used: ") + broken.what());
    }
  }
  return found;
}

// Whether a name may be one of name_of_parts.
bool is_name_in_cache(std::string_view name) {
  return name.size() == 24 + 1 + 16 && name[24] == '-' &&
         name.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

// The folder as it is there already, with the same weights of the same source.
std::optional<PackedFolder> kept_before(const fs::path& path, const PackedSource& source,
                                        std::span<const PackedPart> parts) {
  try {
    if (!PackedFolder::is_one(path)) return std::nullopt;
    PackedFolder folder(path);
    if (folder.source() != source) return std::nullopt;
    for (const PackedPart& part : parts)
      if (folder.find(part.weight, part.layer, part.layout).bytes != part.packed.bytes) return std::nullopt;
    return folder;
  } catch (const Error&) {
    return std::nullopt;  // a broken one is replaced
  }
}

// Throws Error where the files are no longer those that were looked at before the model was opened.
void check_unchanged(const std::string& model, const PackedSource& source) {
  if (const std::string changed = difference(source, look_at_source(model, source.loader)); !changed.empty())
    fail(model, ": changed after it was opened: ", changed);
}

// Keeps what a session has packed, unless another process did so meanwhile. source: what was opened.
PackedCheckpoint::Keep keeper(const fs::path& cache, const std::string& model, const PackedSource& source) {
  return [=](std::span<const PackedPart> parts) -> std::optional<PackedFolder> {
    if (parts.empty()) return std::nullopt;
    try {
      const fs::path path = cache / name_of_parts(source, parts);
      check_unchanged(model, source);
      if (auto folder = kept_before(path, source, parts)) return folder;
      remove_unfinished(cache, is_name_in_cache);
      write_packed_folder(path, source, parts, [] {
        if (interrupted()) fail("interrupted");
      });
      log_info("packed weights are kept in " + path.string());
      return PackedFolder(path);
    } catch (const std::exception& error) {
      log_warning(std::string(kVariable) + ": packed weights are not kept: " + error.what());
      return std::nullopt;
    }
  };
}

}  // namespace

PackedWeights PackedCheckpoint::packed(Weight weight, int layer, const char* layout) const {
  const std::lock_guard guard(mutex_);
  for (const PackedFolder& folder : folders_)
    if (const PackedWeights found = folder.find(weight, layer, layout); found.data) return found;
  return inner_->packed(weight, layer, layout);
}

bool PackedCheckpoint::holds(Weight weight, Type type) const {
  const std::lock_guard guard(mutex_);
  return std::ranges::any_of(folders_, [&](const PackedFolder& folder) { return folder.holds(weight, type); });
}

void PackedCheckpoint::keep_packed(std::span<const PackedPart> parts) const {
  if (!keep_) return;
  std::optional<PackedFolder> kept = keep_(parts);
  if (!kept) return;
  const std::lock_guard guard(mutex_);
  folders_.push_back(std::move(*kept));
}

std::string source_of_model(const std::string& model) {
  return PackedFolder::is_one(model) ? PackedFolder::source_of(model).model : model;
}

namespace {

// Opens the model by the loader's code, whose exceptions get its name.
std::unique_ptr<Checkpoint> open_by(Loader& loader, const BoundPlugin& chosen, const std::string& model) {
  const std::string& owner = chosen.values.owner();
  auto checkpoint = name_exceptions(owner, "asked to open the model", [&] { return loader.open(model.c_str()); });
  if (!checkpoint) fail(owner, ": open() returned null: expected a checkpoint, or an Error thrown");
  return checkpoint;
}

}  // namespace

std::unique_ptr<Checkpoint> open_model(Loader& loader, const BoundPlugin& chosen, const std::string& model) {
  if (PackedFolder::is_one(model)) {
    std::vector<PackedFolder> folders;
    folders.emplace_back(model);
    const PackedSource then = folders.front().source(), now = look_at_source(then.model, chosen.plugin->name);
    if (const std::string changed = difference(then, now); !changed.empty())
      fail(model, ": packed weights of another model: ", changed, "; pack it again with gpt2convert --packed");
    auto checkpoint = open_by(loader, chosen, then.model);
    check_unchanged(then.model, then);
    return std::make_unique<PackedCheckpoint>(std::move(checkpoint), std::move(folders), PackedCheckpoint::Keep());
  }
  const char* cache = std::getenv(kVariable);
  if (!cache || !*cache || (!is_there(model) && !is_there(model + ".index"))) return open_by(loader, chosen, model);
  std::optional<PackedSource> before;
  try {
    // Before it is opened: what takes its place afterwards is another model.
    before = look_at_source(model, chosen.plugin->name);
  } catch (const Error& error) {
    log_warning(std::string(kVariable) + " is not used: " + error.what());
  }
  auto checkpoint = open_by(loader, chosen, model);
  if (!before) return checkpoint;
  try {
    check_unchanged(model, *before);
    prepare_cache(cache);
    std::vector<PackedFolder> folders = folders_in(cache, *before);
    return std::make_unique<PackedCheckpoint>(std::move(checkpoint), std::move(folders), keeper(cache, model, *before));
  } catch (const Error& error) {
    log_warning(std::string(kVariable) + " is not used: " + error.what());
    return checkpoint;
  }
}

}  // namespace gpt2run
