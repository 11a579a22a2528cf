// Parses file names and searches folders.
#include "host/discovery.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <system_error>
#include <tuple>

#include "gpt2run/files/paths.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "gpt2run-";
constexpr std::string_view kSuffix = ".so";
constexpr std::string_view kDevicePrefix = "device-";

template <class Enum, size_t n>
std::optional<Enum> value_named(std::string_view name, const Enum (&all)[n]) {
  for (const Enum value : all)
    if (name == name_of(value)) return value;
  return {};
}

constexpr Kind kKinds[] = {Kind::loader, Kind::precision, Kind::sampler, Kind::sink};
constexpr Space kSpaces[] = {Space::host, Space::cuda, Space::test};

bool is_plugin_name(std::string_view name) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), allowed);
}

void add_folder(std::vector<fs::path>& folders, const fs::path& folder) {
  std::error_code error;
  const fs::path found = fs::canonical(folder, error);
  if (error || !fs::is_directory(found, error)) return;
  if (std::find(folders.begin(), folders.end(), found) == folders.end()) folders.push_back(found);
}

void add_environment_folders(std::vector<fs::path>& folders) {
  const char* value = secure_getenv("GPT2RUN_PLUGIN_PATH");
  std::istringstream entries(value ? value : "");
  for (std::string entry; std::getline(entries, entry, ':');) {
    if (entry.empty()) continue;
    std::error_code error;
    if (fs::path(entry).is_relative())
      log_warning("GPT2RUN_PLUGIN_PATH: ignored the relative folder " + entry);
    else if (!fs::is_directory(entry, error))
      log_warning("GPT2RUN_PLUGIN_PATH: there is no folder " + entry);
    else
      add_folder(folders, entry);
  }
}

void add_user_folder(std::vector<fs::path>& folders) {
  const char* data = secure_getenv("XDG_DATA_HOME");
  const char* home = secure_getenv("HOME");
  if (data && fs::path(data).is_absolute())
    add_folder(folders, fs::path(data) / "gpt2run/plugins");
  else if (home && fs::path(home).is_absolute())
    add_folder(folders, fs::path(home) / ".local/share/gpt2run/plugins");
}

fs::path installed_folder() { return installation() / "lib/gpt2run"; }

std::vector<fs::path> sorted_files(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> files = entries_of(folder, error);
  if (error) log_warning(folder.string() + ": cannot be read: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

bool is_same(const Candidate& candidate, const Identity& identity) {
  return candidate.kind == identity.kind && candidate.name == identity.name && candidate.space == identity.space;
}

void add_file(Discovery& found, const fs::path& file) {
  std::string reason;
  const auto identity = parse_file_name(file.filename().string(), reason);
  if (!identity) {
    if (!reason.empty()) found.rejected.push_back({file, reason});
    return;
  }
  const auto same = std::find_if(found.candidates.begin(), found.candidates.end(),
                                 [&](const Candidate& candidate) { return is_same(candidate, *identity); });
  if (same == found.candidates.end()) {
    found.candidates.push_back({identity->kind, identity->name, identity->space, file, {}, {}});
  } else if (same->file.parent_path() == file.parent_path()) {
    same->conflict = file;
  } else {
    same->shadows.push_back(file);
  }
}

}  // namespace

std::optional<Identity> parse_file_name(std::string_view file_name, std::string& reason) {
  reason.clear();
  if (!file_name.starts_with(kPrefix) || !file_name.ends_with(kSuffix)) return {};
  std::string_view rest = file_name.substr(kPrefix.size());
  rest.remove_suffix(kSuffix.size());
  const size_t dash = rest.find('-'), dot = rest.find('.');
  const auto kind = value_named(rest.substr(0, dash), kKinds);
  const auto space = dot == rest.npos ? Space::host : value_named(rest.substr(dot + 1), kSpaces);
  const std::string_view name = dash == rest.npos ? "" : rest.substr(dash + 1, dot - dash - 1);
  if (!kind)
    reason = "its name has no kind: expected loader, precision, sampler or sink";
  else if (!space)
    reason = "its name has no space: expected none, cuda or test";
  else if (dot < dash || !is_plugin_name(name))
    reason = "its name is not gpt2run-<kind>-<name>[.<space>].so with a name of a-z, 0-9 and '-'";
  else if (kind == Kind::sampler && name.starts_with(kDevicePrefix))
    reason = "no sampler may be called device-...: the prefix asks for the memory where the logits are";
  if (!reason.empty()) return {};
  return Identity{*kind, std::string(name), *space};
}

std::vector<fs::path> search_folders(const std::vector<fs::path>& given) {
  std::vector<fs::path> folders;
  for (const fs::path& folder : given) {
    std::error_code error;
    if (folder.empty()) usage_error("--plugin-dir: expected a folder, found an empty text");
    const bool is_folder = fs::is_directory(folder, error);
    if (error) fail("--plugin-dir: there is no folder ", folder.string(), ": ", error.message());
    if (!is_folder) fail("--plugin-dir: ", folder.string(), " is not a folder");
    add_folder(folders, folder);
  }
  add_environment_folders(folders);
  add_user_folder(folders);
  add_folder(folders, installed_folder());
  return folders;
}

std::string plugin_places() {
  return "--plugin-dir, GPT2RUN_PLUGIN_PATH, the user's data folder and " + installed_folder().string();
}

Discovery discover(const std::vector<fs::path>& folders) {
  Discovery found;
  for (const fs::path& folder : folders)
    for (const fs::path& file : sorted_files(folder)) add_file(found, file);
  const auto key = [](const Candidate& c) { return std::tie(c.kind, c.name, c.space); };
  std::sort(found.candidates.begin(), found.candidates.end(),
            [&](const Candidate& a, const Candidate& b) { return key(a) < key(b); });
  return found;
}

}  // namespace gpt2run
