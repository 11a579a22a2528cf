// Opens safetensors files and shards.
#include "weight_files.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/edit_distance.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "json.hpp"

namespace gpt2run::huggingface {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIndex = "model.safetensors.index.json";

std::string_view without_prefix(std::string_view name) {
  constexpr std::string_view kPrefix = "transformer.";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

// Whether a tensor is the causal mask, h.<layer>.attn.bias or .masked_bias, which old checkpoints store.
bool is_mask(std::string_view name) {
  return name.starts_with("h.") && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
}

// A single file wins over shards, as in transformers.
std::string find_weights(const fs::path& folder) {
  for (const char* name : {"model.safetensors", kIndex}) {
    if (fs::exists(folder / name)) return (folder / name).string();
  }
  const bool pickled = fs::exists(folder / "pytorch_model.bin");
  fail(folder.string(), ": expected model.safetensors or ", kIndex, ", found ",
       pickled ? "pytorch_model.bin, which must be converted to safetensors first" : "neither");
}

}  // namespace

WeightFiles::WeightFiles(const std::string& path) : path_(fs::is_directory(path) ? find_weights(path) : path) {
  if (path_.ends_with(kIndex)) {
    add_shards(fs::path(path_).parent_path());
  } else {
    add_file(path_);
  }
}

void WeightFiles::add_file(const std::string& path) {
  const loaders::MappedFile& file = files_.emplace_back(path);
  for (auto& [name, tensor] : read_safetensors(file)) {
    const auto [place, added] = tensors_.emplace(without_prefix(name), std::move(tensor));
    if (!added) fail(path, ": ", in_quotes(name), ": expected once, found also in ", *place->second.path);
  }
}

void WeightFiles::add_shards(const std::string& folder) {
  const loaders::MappedFile file(path_);
  const json::Document index = parse_object(path_, file.bytes());
  const json::Value map = index.root().find("weight_map").value_or(json::Value());
  if (map.type() != json::Type::object) fail(path_, ": expected \"weight_map\" to be an object");
  std::set<std::string> shards;
  for (const auto& [name, value] : map.members()) {
    const std::string shard(value.as_text().value_or(""));
    // A name with a '/' could lead out of the model's folder.
    if (!shard.ends_with(".safetensors") || shard.find('/') != std::string::npos ||
        shard.find('\0') != std::string::npos) {
      fail(path_, ": ", in_quotes(name), ": expected the name of a safetensors file in this folder, found ",
           value.description());
    }
    if (shards.insert(shard).second) add_file((fs::path(folder) / shard).string());
  }
  for (const auto& [name, value] : map.members()) {
    const std::string shard = value.text();
    const StoredTensor* tensor = find(std::string(without_prefix(name)));
    if (!tensor || fs::path(*tensor->path).filename() != shard) {
      fail(path_, ": ", in_quotes(name), ": expected in ", in_quotes(shard), ", found ",
           tensor ? "in " + *tensor->path : "nowhere");
    }
  }
}

const StoredTensor* WeightFiles::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<const std::string*> WeightFiles::unknown(const std::set<std::string>& known) const {
  std::vector<const std::string*> names;
  for (const auto& [name, tensor] : tensors_) {
    if (!is_mask(name) && !known.contains(name)) names.push_back(&name);
  }
  return names;
}

std::string WeightFiles::nearest(std::string_view name, const std::set<std::string>& known) const {
  constexpr size_t kMostNames = 10'000, kLongestName = 200;
  std::vector<const std::string*> names = unknown(known);
  names.resize(std::min(names.size(), kMostNames));
  const std::string* best = nullptr;
  size_t best_distance = SIZE_MAX;
  for (const std::string* candidate : names) {
    if (candidate->size() > kLongestName) continue;
    const size_t distance = edit_distance(name, *candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best ? in_quotes(*best) : "nothing";
}

void WeightFiles::log_unknown(const Host& host, const std::set<std::string>& known) const {
  constexpr size_t kMostShown = 5;
  const std::vector<const std::string*> names = unknown(known);
  if (names.empty()) return;
  std::string line = path_ + ": ignored " + std::to_string(names.size()) + " tensors that GPT-2 does not have:";
  for (size_t i = 0; i < std::min(names.size(), kMostShown); ++i)
    line += in_quotes(*names[i]).insert(0, i ? ", " : " ");
  if (names.size() > kMostShown) line += " ...";
  host.log(2, line.c_str());
}

}  // namespace gpt2run::huggingface
