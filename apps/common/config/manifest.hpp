// The run manifest: one JSON object that records a run and repeats it (--config run.json). One struct for both
// directions, so that what is written is what is read.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/engine/generate.hpp"
#include "gpt2run/sdk/json_text.hpp"

namespace gpt2run {

// The reverse of json_quoted. Throws UsageError naming origin.
std::string json_unquoted(std::string_view quoted, std::string_view origin);

struct RecordedOption {
  std::string key, value;  // value: as a user would type it
  std::string type;        // as in OptionSpec; "" when read back
};

struct RecordedPlugin {
  std::string kind, spec, name, space, version;  // asked: as the user named it, "device-nucleus"
  std::string file, hash;                        // file name without folders, its content's hash
  std::vector<RecordedOption> options;           // all of them, after defaults
};

struct Manifest {
  std::string program, tag;  // version of gpt2run, the standard library's tag
  uint32_t abi = 0;
  std::vector<RecordedOption> options;  // of the program; lists have one entry for each element
  std::vector<RecordedPlugin> plugins;
  std::vector<Prompt> prompts;
  std::string model, model_hash;  // path, and a hash of samples of every tensor
  ModelConfig config{};
  std::optional<Traits> traits;  // of the one precision; none where several take part

  std::string to_json() const;

  // Throws Error naming path, what was expected and what was found. config and traits are not read back.
  static Manifest from_json(const std::string& path, const std::string& content);
};

// FNV-1a, 64 bits: tells two builds apart; it is no protection.
struct Fingerprint {
  uint64_t value = 0xcbf29ce484222325u;
  void add(const void* bytes, size_t count);
  std::string hex() const;
};
std::string hash_of_file(const std::filesystem::path& path);  // throws Error

}  // namespace gpt2run
