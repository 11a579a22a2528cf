// Reads the index of a sharded model.
#include "shards.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "json.hpp"

namespace gpt2run::loaders {
namespace {

namespace fs = std::filesystem;

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<std::string> index_of_shard(const std::string& path) {
  const fs::path file(path);
  const std::string stem = file.stem().string();
  const size_t of = stem.rfind("-of-");
  if (of == std::string::npos || !is_number(std::string_view(stem).substr(of + 4))) return std::nullopt;
  const size_t dash = stem.rfind('-', of - 1);
  if (of == 0 || dash == std::string::npos || !is_number(std::string_view(stem).substr(dash + 1, of - dash - 1)))
    return std::nullopt;
  return (file.parent_path() / (stem.substr(0, dash) + file.extension().string() + ".index.json")).string();
}

fs::path whole_of(const fs::path& file, const Host& host) {
  const auto index = index_of_shard(file.string());
  if (!index) return file;
  if (!fs::exists(status_of(*index)))
    fail(file.string(), ": expected ", fs::path(*index).filename().string(),
         " beside it, because its name is that of one shard of several, found none");
  host.log(1, (file.string() + " is one shard of several: all that " + *index + " lists are read").c_str());
  return *index;
}

void add_shards(StoredTensors& tensors, const std::string& extension,
                const std::function<void(const std::string& path)>& add_file) {
  const std::string& path = tensors.path();
  const MappedFile file(path);
  const json::Document index = parse_object(path, file.bytes());
  const json::Value map = index.root().find_or_null("weight_map");
  if (map.type() != json::Type::object) fail(path, ": expected \"weight_map\" to be an object");
  if (map.members().empty()) fail(path, ": weight_map: expected the names of tensors, found none");
  std::set<std::string> shards;
  for (const auto& [name, value] : map.members()) {
    const std::string shard(value.as_text().value_or(""));
    // A name with a '/' could lead out of the model's folder, and one that cannot be shown has no place in a message.
    if (!shard.ends_with(extension) || shard.find('/') != std::string::npos || printable(shard) != shard) {
      fail(path, ": ", in_quotes(name), ": expected the name of a ", extension.substr(1),
           " file in this folder, found ", value.description());
    }
    if (shards.insert(shard).second) add_file((fs::path(path).parent_path() / shard).string());
  }
  for (const auto& [name, value] : map.members()) {
    const std::string shard = value.text();
    const StoredTensor* tensor = tensors.find(name);
    if (!tensor || fs::path(*tensor->path).filename() != shard) {
      fail(path, ": ", in_quotes(name), ": expected in ", in_quotes(shard), ", found ",
           tensor ? "in " + *tensor->path : "nowhere");
    }
  }
}

}  // namespace gpt2run::loaders
