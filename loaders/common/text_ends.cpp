// Reads ids from two files, of which the second may be missing.
#include "text_ends.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "gpt2run/sdk/folder.hpp"
#include "json.hpp"
#include "mapped_file.hpp"

namespace gpt2run::loaders {
namespace {

using json::Value;

// A setting and the file that it stands in, or that lacks it.
struct Found {
  std::string path;
  const char* key;
  std::optional<Value> value;
};

// The file decides where a text ends, so one that cannot be read is an error.
std::optional<json::Document> read_generation_config(const std::string& path) {
  if (!is_there(path)) return std::nullopt;
  const MappedFile file(path);
  return parse_settings(path, file.bytes());
}

// The end of GPT-2's own texts, which transformers takes where config.json does not have the setting at all.
constexpr int32_t kGpt2EndOfText = 50256;

// The ids of a setting that are tokens of the model, each once.
std::vector<int32_t> ids_of(const Found& found, int32_t V, const Host& host) {
  std::vector<int32_t> ids;
  const auto add = [&](const Value& value) {
    const auto id = value.as_integer();
    if (!value.is_whole() || !id)
      fail(found.path, ": ", found.key, ": expected a whole number", value.is_whole() ? " in range" : "", ", found ",
           value.description());
    if (*id < -1 || *id >= V)
      return host.log(2, (found.path + ": " + found.key + ": expected a token id below " + std::to_string(V) +
                          ", found " + std::to_string(*id) + ": taken as none")
                             .c_str());
    const auto small = static_cast<int32_t>(*id);
    if (small >= 0 && std::find(ids.begin(), ids.end(), small) == ids.end()) ids.push_back(small);
  };
  if (found.value->type() == json::Type::list) {
    for (const Value& value : found.value->elements()) add(value);
  } else if (!found.value->is_null()) {
    add(*found.value);
  }
  return ids;
}

}  // namespace

void read_text_ends(const std::string& path, const Value& config, ModelConfig& model, const Host& host) {
  const std::string generation_path = std::filesystem::path(path).replace_filename("generation_config.json").string();
  const auto generation = read_generation_config(generation_path);
  const auto find = [&](const char* key) -> Found {
    const Value special = generation ? generation->root().find_or_null(key) : Value();
    return special.is_null() ? Found{path, key, config.find(key)} : Found{generation_path, key, special};
  };
  const auto read = [&](const Found& found) {
    if (found.value) return ids_of(found, model.V, host);
    return model.V > kGpt2EndOfText ? std::vector{kGpt2EndOfText} : std::vector<int32_t>();
  };
  const Found eos = find("eos_token_id");
  const std::vector<int32_t> ends = read(eos);
  if (ends.size() > kMostEnds)
    fail(eos.path, ": eos_token_id: expected at most ", kMostEnds, " ids, found ", ends.size());
  model.end_of_text = ends.empty() ? -1 : ends.front();
  for (size_t i = 1; i < ends.size(); ++i) model.other_ends[i - 1] = ends[i];
  const Found bos = find("bos_token_id");
  const std::vector<int32_t> starts = read(bos);
  if (starts.size() > 1) fail(bos.path, ": bos_token_id: expected one id, found ", starts.size());
  if (!starts.empty() && starts.front() != model.end_of_text) model.start_of_text = starts.front();
}

}  // namespace gpt2run::loaders
