// Looks at names and first bytes.
#include "model_files.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "../common/shards.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "torch_file.hpp"

namespace gpt2run::torch {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingle = "pytorch_model.bin";
constexpr const char* kIndex = "pytorch_model.bin.index.json";

bool has_our_extension(const fs::path& file) {
  const fs::path extension = file.extension();
  return extension == ".pt" || extension == ".pth" || extension == ".ckpt" ||
         (extension == ".bin" && file.filename().string().starts_with("pytorch_model"));
}

bool begins_as_ours(const fs::path& file) {
  if (!is_file(file)) return false;  // opening a named pipe would wait
  std::string bytes(512, '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(stream.gcount()));
  return is_torch_file(bytes);
}

// The files of a folder that may hold a model, in the order of their names. Files of a trainer are not among them.
std::vector<fs::path> candidates_in(const fs::path& folder) {
  constexpr const char* kOthers[] = {"optimizer.pt", "scheduler.pt", "training_args.bin", "rng_state.pth", "scaler.pt"};
  std::vector<fs::path> found;
  for (const fs::path& file : entries_of(folder)) {
    const std::string name = file.filename().string();
    if (std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers)) continue;
    if (name.starts_with("rng_state_") || loaders::index_of_shard(name)) continue;
    if (has_our_extension(file) || begins_as_ours(file)) found.push_back(file);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The file of transformers, which counts more than others; empty if there is none.
fs::path known_file_in(const fs::path& folder) {
  for (const char* name : {kSingle, kIndex})
    if (is_there(folder / name)) return folder / name;
  return {};
}

fs::path find_in(const fs::path& folder) {
  const fs::path known = known_file_in(folder);
  if (!known.empty()) return known;
  const std::vector<fs::path> found = candidates_in(folder);
  if (found.size() == 1) return found.front();
  if (found.empty())
    fail(folder.string(), ": expected ", kSingle, ", its index or another file of torch.save, found none");
  std::string names;
  for (size_t i = 0; i < std::min<size_t>(found.size(), 5); ++i)
    names += (i ? ", " : "") + printable(found[i].filename().string(), 60);
  fail(folder.string(), ": expected one file of torch.save, found ", found.size(), " (", names,
       found.size() > 5 ? ", ..." : "", "): name one of them");
}

}  // namespace

fs::path parent_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : "."; }

bool is_index(const fs::path& file) { return file.filename().string().ends_with(".index.json"); }

int score_of(const fs::path& given) {
  const bool is_config = given.filename() == "config.json";
  if (is_config || is_folder(given)) {
    const fs::path folder = is_config ? parent_of(given) : given;
    return !known_file_in(folder).empty() ? 8 : candidates_in(folder).empty() ? 0 : 6;
  }
  if (given.filename() == kIndex || begins_as_ours(given)) return 10;
  return has_our_extension(given) && is_there(given) ? 2 : 0;  // so that open() can say what it is
}

fs::path find_file(const fs::path& given, const Host& host) {
  if (!is_there(given)) fail(given.string(), ": expected a folder or a file of torch.save, found nothing");
  if (is_folder(given)) return find_in(given);
  if (given.filename() == "config.json") return find_in(parent_of(given));
  return loaders::whole_of(given, host);
}

}  // namespace gpt2run::torch
