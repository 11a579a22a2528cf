// Finds and opens safetensors files and shards.
#include "weight_files.hpp"

#include <algorithm>

#include "../common/foreign.hpp"
#include "../common/shards.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "safetensors.hpp"

namespace gpt2run::huggingface {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtension = ".safetensors";
constexpr const char* kIndexEnd = ".safetensors.index.json";
constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

bool is_index(const fs::path& file) { return file.filename().string().ends_with(kIndexEnd); }
bool is_single(const fs::path& file) { return file.extension() == kExtension; }

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> found = entries_of(folder);
  std::sort(found.begin(), found.end());
  return found;
}

bool is_shard(const fs::path& file) { return is_single(file) && loaders::index_of_shard(file.string()); }

// The files of a folder that may hold a whole model: indexes, and safetensors files that are no shards or adapters.
std::vector<fs::path> candidates_in(const fs::path& folder) {
  std::vector<fs::path> found = files_in(folder);
  std::erase_if(found, [](const fs::path& file) {
    const bool is_adapter = file.filename().string().starts_with("adapter_");
    return !is_index(file) && (!is_single(file) || is_shard(file) || is_adapter);
  });
  return found;
}

// For a folder without a whole model in safetensors: the weight file that is there, and what to do.
std::string other_weights(const fs::path& folder) {
  for (const char* name : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (is_there(folder / name)) return std::string(name) + ", which the loader torch reads";
  for (const fs::path& file : files_in(folder))
    if (is_shard(file)) return printable(file.filename().string(), 60) + ", one shard of several, without their index";
  const std::string foreign = loaders::foreign_in(folder);
  return foreign.empty() ? "neither" : foreign;
}

std::string names_of(const std::vector<fs::path>& files) {
  constexpr size_t kMostShown = 5;
  std::string names;
  for (size_t i = 0; i < std::min(files.size(), kMostShown); ++i)
    names += (i ? ", " : "") + printable(files[i].filename().string(), 60);
  return names + (files.size() > kMostShown ? ", ..." : "");
}

// A single file wins over shards, as in transformers.
fs::path find_weights(const fs::path& folder) {
  for (const char* name : {kSingle, kIndex}) {
    if (is_there(folder / name)) return folder / name;
  }
  const std::vector<fs::path> found = candidates_in(folder);
  if (found.size() == 1) return found.front();
  if (found.size() > 1)
    fail(folder.string(), ": expected ", kSingle, " or one other safetensors file, found ", found.size(), " (",
         names_of(found), "): name one of them");
  fail(folder.string(), ": expected ", kSingle, " or ", kIndex, ", found ", other_weights(folder));
}

}  // namespace

bool has_weights(const fs::path& folder) { return !candidates_in(folder).empty(); }

loaders::StoredTensors open_weights(const fs::path& given, const Host& host) {
  const fs::path path = is_folder(given) ? find_weights(given) : loaders::whole_of(given, host);
  loaders::StoredTensors tensors(path.string());
  const auto add_file = [&](const std::string& file) { add_safetensors(tensors, tensors.map(file)); };
  if (is_index(path))
    loaders::add_shards(tensors, kExtension, add_file);
  else
    add_file(path.string());
  tensors.strip_prefixes();
  return tensors;
}

}  // namespace gpt2run::huggingface
