// Collects tensors by name and finds them again.
#include "stored_tensors.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/edit_distance.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "limits.hpp"

namespace gpt2run::loaders {
namespace {

constexpr std::string_view kBody = "transformer.";

// Whether a tensor is the causal mask, h.<layer>.attn.bias or .masked_bias, which old checkpoints store.
bool is_mask(std::string_view name) {
  return name.starts_with("h.") && (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
}

std::string_view without(std::string_view name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// What stands before `anchor` in the names that end with it, without "transformer."; nothing if there is no such name,
// or if the names disagree.
template <class Map>
std::optional<std::string> prefix_before(const Map& tensors, std::string_view anchor) {
  std::optional<std::string> prefix;
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(anchor)) continue;
    std::string_view before = std::string_view(name).substr(0, name.size() - anchor.size());
    if (!before.empty() && !before.ends_with('.')) continue;
    if (before.ends_with(kBody)) before.remove_suffix(kBody.size());
    if (prefix && *prefix != before) return std::nullopt;
    prefix = before;
  }
  return prefix;
}

}  // namespace

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  return strides;
}

void StoredTensors::add(std::string_view name, StoredTensor tensor) {
  const std::string& path = *tensor.path;
  const auto [place, added] = tensors_.emplace(name, std::move(tensor));
  if (!added) fail(path, ": ", in_quotes(name), ": expected once, found also in ", *place->second.path);
}

void StoredTensors::add_alias(std::string_view name, std::string_view other) {
  if (!tensors_.contains(name) && tensors_.contains(other)) aliases_.emplace(name, other);
}

void StoredTensors::release(std::span<const char> part) const {
  const auto address = [](const char* at) { return reinterpret_cast<uintptr_t>(at); };
  for (const MappedFile& file : files_) {
    const uintptr_t begin = address(file.bytes().data()), end = begin + file.bytes().size();
    if (address(part.data()) >= begin && address(part.data()) + part.size() <= end) return file.release(part);
  }
}

const std::string* StoredTensors::metadata(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

void StoredTensors::strip_prefixes() {
  std::optional<std::string> prefix = prefix_before(tensors_, "wte.weight");
  if (!prefix) prefix = prefix_before(tensors_, "ln_f.weight");
  const auto stripped = [&](std::string_view name) { return without(without(name, prefix.value_or("")), kBody); };
  std::map<std::string, StoredTensor, std::less<>> tensors;
  tensors.swap(tensors_);
  for (auto& [name, tensor] : tensors) add(stripped(name), std::move(tensor));
  std::map<std::string, std::string, std::less<>> aliases;
  for (const auto& [name, other] : aliases_) aliases.emplace(stripped(name), stripped(other));
  aliases_ = std::move(aliases);
}

const StoredTensor* StoredTensors::find(std::string_view name) const {
  auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    const auto alias = aliases_.find(name);
    if (alias != aliases_.end()) found = tensors_.find(alias->second);
  }
  return found == tensors_.end() ? nullptr : &found->second;
}

int64_t StoredTensors::layers() const {
  int64_t layers = 0;
  for (const auto& [name, tensor] : tensors_) {
    if (!name.starts_with("h.")) continue;
    int64_t layer = -1;
    const char* end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + 2, end, layer);
    if (error != std::errc() || rest == end || *rest != '.' || layer < 0) continue;
    if (layer >= kMaxLayers) fail(path_, ": ", in_quotes(name), ": expected at most ", kMaxLayers, " layers");
    layers = std::max(layers, layer + 1);
  }
  return layers;
}

std::vector<const std::string*> StoredTensors::unknown(const std::set<std::string>& known) const {
  std::vector<const std::string*> names;
  for (const auto& [name, tensor] : tensors_) {
    if (!is_mask(name) && !known.contains(name)) names.push_back(&name);
  }
  return names;
}

std::string StoredTensors::nearest(std::string_view name, const std::set<std::string>& known) const {
  constexpr size_t kMostNames = 10'000, kLongestName = 200;
  std::vector<const std::string*> names = unknown(known);
  names.resize(std::min(names.size(), kMostNames));
  const std::string* best = nullptr;
  size_t best_distance = name.size() / 3 + 1;  // a name that differs in more letters was not meant by this one
  for (const std::string* candidate : names) {
    if (candidate->size() > kLongestName) continue;
    const size_t distance = edit_distance(name, *candidate);
    if (distance < best_distance) best = candidate, best_distance = distance;
  }
  return best ? "; nearest: " + in_quotes(*best) : "";
}

std::string StoredTensors::another(const std::set<std::string>& known) const {
  const std::vector<const std::string*> names = unknown(known);
  return names.empty() ? "" : "; it has other tensors, such as " + in_quotes(*names.front());
}

void StoredTensors::log_unknown(const Host& host, const std::set<std::string>& known) const {
  constexpr size_t kMostShown = 5;
  const std::vector<const std::string*> names = unknown(known);
  if (names.empty()) return;
  std::string line = path_ + ": ignored " + std::to_string(names.size()) +
                     (names.size() == 1 ? " tensor" : " tensors") + " that GPT-2 does not have:";
  for (size_t i = 0; i < std::min(names.size(), kMostShown); ++i)
    line += in_quotes(*names[i]).insert(0, i ? ", " : " ");
  if (names.size() > kMostShown) line += " ...";
  host.log(2, line.c_str());
}

}  // namespace gpt2run::loaders
