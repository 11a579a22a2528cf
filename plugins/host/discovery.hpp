// Discovery of plugins by file name, in folders that are searched in a fixed order. No file is read or opened.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

// The identity of a plugin, which its file name states.
struct Identity {
  Kind kind;
  std::string name;
  Space space;
};

// Parses gpt2run-<kind>-<name>[.<space>].so, where the name consists of a-z, 0-9 and '-'. For anything else returns
// nothing and sets `reason`, which stays empty if the file does not claim to be a plugin.
std::optional<Identity> parse_file_name(std::string_view file_name, std::string& reason);

// The folders to search, in order: those given (by --plugin-dir), GPT2RUN_PLUGIN_PATH, the per-user data folder, and
// ../lib/gpt2run beside the program. All are absolute; a folder that does not exist is left out, and each occurs once.
// Throws Error naming a given folder that does not exist. Relative folders in the environment variable are ignored with
// a warning, and a set-user-id program ignores the environment entirely.
std::vector<std::filesystem::path> search_folders(const std::vector<std::filesystem::path>& given);

// A description of the places that search_folders() looks in, for messages.
std::string plugin_places();

// A file that is a plugin by its name. It has not been read.
struct Candidate {
  Kind kind;
  std::string name;
  Space space;
  std::filesystem::path file;                  // absolute
  std::vector<std::filesystem::path> shadows;  // files of the same identity in later folders
  std::filesystem::path conflict;              // another file of this identity in the same folder, an error to open
};

// A file whose name claims to be a plugin but is not valid.
struct RejectedFile {
  std::filesystem::path file;
  std::string reason;
};

// What discover() has found.
struct Discovery {
  std::vector<Candidate> candidates;  // sorted by kind, name, space
  std::vector<RejectedFile> rejected;
};

// Finds the plugins in these folders. Of several files with the same identity, the one in the first folder wins.
Discovery discover(const std::vector<std::filesystem::path>& folders);

}  // namespace gpt2run
