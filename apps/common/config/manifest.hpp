// The run manifest: a JSON object that records a run so that it can be repeated with --config run.json. Writing and
// reading use the same struct, so that the two cannot drift apart.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/engine/generate.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

// The text of a JSON string, the reverse of json_quoted(). origin: for messages. Throws UsageError for anything else.
std::string json_unquoted(std::string_view quoted, std::string_view origin);

struct RecordedOption {
  std::string key, value;  // value: as a user would type it
  std::string type;        // as in OptionSpec; empty in a manifest that was read
};

struct RecordedPlugin {
  std::string kind, spec, name, space, version;  // spec: as the user named it, such as "device-nucleus"
  std::string file, hash;                        // the file's name without folders, and the hash of its content
  std::vector<RecordedOption> options;           // all options, defaults included
};

// A file of the model, by its name without folders. Only runs with --verify have them.
struct RecordedFile {
  std::string name, sha256;
};

struct Manifest {
  std::string program, tag;  // the version of gpt2run, and the tag of the standard library
  uint32_t abi = 0;
  std::vector<RecordedOption> options;  // of the program; an option that repeats has one entry per value
  std::vector<RecordedPlugin> plugins;
  std::vector<Prompt> prompts;
  std::string model, model_hash;  // its path, and a hash of samples of every tensor
  std::vector<RecordedFile> files;
  ModelConfig config{};
  std::optional<Traits> traits;  // of the precision; none where several precisions take part
  std::string order, contract;   // of the traits, in a manifest that was read; "" where it does not say

  std::string to_json() const;

  // Parses a manifest; of config and traits, only `order` and `contract` are read. path: for messages. Throws Error
  // naming the path, the item, what was expected and what was found.
  static Manifest from_json(const std::string& path, const std::string& content);
};

}  // namespace gpt2run
