// Reads the layout of Hugging Face's cache: models--ORG--NAME/refs/main holds the name of a folder in snapshots/.
#include "common/pipeline/model_path.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "host/log.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

// OpenAI's models have had two names on the hub. size: as scripts/download_gpt2.sh calls it.
struct KnownModel {
  const char *name, *full_name, *size;
};
constexpr KnownModel kKnown[] = {{"gpt2", "openai-community/gpt2", "124M"},
                                 {"gpt2-medium", "openai-community/gpt2-medium", "355M"},
                                 {"gpt2-large", "openai-community/gpt2-large", "774M"},
                                 {"gpt2-xl", "openai-community/gpt2-xl", "1558M"},
                                 {"distilgpt2", "distilbert/distilgpt2", nullptr}};

// Whether a text has the form NAME or ORG/NAME of the hub.
bool is_hub_name(const std::string& text) {
  const auto is_part = [](const std::string& part) {
    return !part.empty() && part.front() != '.' && std::ranges::all_of(part, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    });
  };
  const size_t slash = text.find('/');
  return is_part(text.substr(0, slash)) && (slash == text.npos || is_part(text.substr(slash + 1)));
}

// The folder in which the hub's library keeps what it has downloaded; empty if the environment does not tell.
fs::path cache_folder() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    const std::string_view text = value ? value : "";
    const char* home = std::getenv("HOME");
    return text.starts_with("~/") && home ? fs::path(home) / text.substr(2) : fs::path(text);
  };
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const fs::path folder = variable(name); !folder.empty()) return folder;
  if (const fs::path home = variable("HF_HOME"); !home.empty()) return home / "hub";
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "huggingface/hub";
  const fs::path home = variable("HOME");
  return home.empty() ? home : home / ".cache/huggingface/hub";
}

std::vector<std::string> snapshots_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::path& entry : entries_of(folder / "snapshots", error)) names.push_back(entry.filename().string());
  if (error && error != std::errc::no_such_file_or_directory)
    fail("model ", folder.string(), ": its snapshots cannot be read: ", error.message());
  std::sort(names.begin(), names.end());
  return names;
}

bool is_cache_folder(const fs::path& folder) {
  return is_folder(folder / "snapshots") && !is_there(folder / "config.json");
}

// The first word of a small file; empty if there is none.
std::string first_word(const fs::path& path) {
  constexpr uintmax_t kMostBytes = 4096;
  std::string word;
  if (is_file(path) && fs::file_size(path) <= kMostBytes) std::ifstream(path) >> word;
  return word;
}

// The snapshot that refs/main names, or else the only one.
fs::path snapshot_of(const fs::path& folder) {
  const std::vector<std::string> names = snapshots_in(folder);
  const std::string main = first_word(folder / "refs/main");
  if (std::ranges::find(names, main) != names.end()) return folder / "snapshots" / main;
  if (names.size() == 1 && !main.empty())
    log_warning("model " + folder.string() + ": refs/main names " + in_quotes(main) +
                ", which is not there: " + names.front() + " is taken");
  if (names.size() == 1) return folder / "snapshots" / names.front();
  const std::string where = "model " + folder.string() + ": ";
  if (names.empty())
    fail(where, "expected a snapshot of Hugging Face's cache in it, found none: the download did not end");
  fail(where, "expected refs/main to name one of its snapshots, found ", names.size(), " snapshots and ",
       main.empty() ? "no refs/main" : in_quotes(main), ": name one of them, such as ",
       (folder / "snapshots" / names.front()).string());
}

const KnownModel* known_model(const std::string& name) {
  for (const KnownModel& known : kKnown)
    if (name == known.name || name == known.full_name) return &known;
  return nullptr;
}

// The folder of a model in the cache, whatever of its names it was downloaded by; empty if there is none.
fs::path folder_in_cache(const std::string& name) {
  const fs::path cache = cache_folder();
  if (cache.empty()) return {};
  std::vector<std::string> names = {name};
  if (const KnownModel* known = known_model(name)) names.insert(names.end(), {known->name, known->full_name});
  for (std::string one : names) {
    if (const size_t slash = one.find('/'); slash != one.npos) one.replace(slash, 1, "--");
    if (const fs::path folder = cache / ("models--" + one); is_cache_folder(folder)) return folder;
  }
  return {};
}

}  // namespace

std::string model_path(const std::string& given) {
  fs::path folder = given;
  try {
    if (!is_there(folder)) {
      if (!is_hub_name(given)) return given;
      folder = folder_in_cache(given);
      if (folder.empty()) return given;
    } else if (is_folder(folder) && access(folder.c_str(), X_OK) != 0) {
      fail("the folder cannot be read: ", std::strerror(errno));
    } else if (!is_cache_folder(folder)) {
      return given;
    }
  } catch (const Error& error) {
    fail("model ", given, ": ", error.what());
  }
  const std::string snapshot = snapshot_of(folder).string();
  log_info("model " + given + ": " + snapshot + ", from Hugging Face's cache");
  return snapshot;
}

std::string how_to_get(const std::string& name) {
  if (!is_hub_name(name)) return "";
  std::error_code error;
  if (const fs::path cache = cache_folder(); !cache.empty()) entries_of(cache, error);
  if (error == std::errc::permission_denied)
    return "; Hugging Face's cache " + cache_folder().string() + " cannot be read: " + error.message();
  const KnownModel* known = known_model(name);
  const std::string size = known && known->size ? std::string(" ") + known->size : "";
  return "; nor is it in Hugging Face's cache (HF_HOME, or else ~/.cache/huggingface); scripts/download_gpt2.sh" +
         size + " fetches OpenAI's GPT-2";
}

}  // namespace gpt2run
