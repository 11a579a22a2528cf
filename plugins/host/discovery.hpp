// Which files are plugins: by their names alone, in folders that are searched in a fixed order.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/plugin.hpp"

namespace gpt2run {

struct Identity {
  Kind kind;
  std::string name;
  Space space;
};

// gpt2run-<kind>-<name>[.<space>].so with a name of a-z, 0-9 and '-'. Otherwise nothing, and reason says why; reason is
// empty for a file that does not claim to be a plugin.
std::optional<Identity> parse_file_name(std::string_view file_name, std::string& reason);

// given (made absolute), GPT2RUN_PLUGIN_PATH, the per-user data folder, ../lib/gpt2run beside the program; each folder
// once and only if it is there. Throws Error naming a given folder that is not there. Relative folders in the
// environment are ignored with a warning, the environment as a whole in a set-user-id program.
std::vector<std::filesystem::path> search_folders(const std::vector<std::filesystem::path>& given);

// The places of search_folders() in words, for messages.
std::string plugin_places();

// A file whose name says that it is a plugin. Nothing of it has been read.
struct Candidate {
  Kind kind;
  std::string name;
  Space space;
  std::filesystem::path file;                  // absolute
  std::vector<std::filesystem::path> shadows;  // files of the same identity in later folders
  std::filesystem::path conflict;              // a second file of this identity in the same folder: cannot be opened
};

// A file that claims to be a plugin and cannot be one.
struct RejectedFile {
  std::filesystem::path file;
  std::string reason;
};

struct Discovery {
  std::vector<Candidate> candidates;  // sorted by kind, name, space
  std::vector<RejectedFile> rejected;
};
Discovery discover(const std::vector<std::filesystem::path>& folders);

}  // namespace gpt2run
