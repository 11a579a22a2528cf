// Opens both forms of torch.save and finds the storages of tensors in them.
#include "torch_file.hpp"

#include <cstring>
#include <set>

#include "../common/foreign.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::torch {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kHowToSave =
    "; save the weights alone: torch.save(model.state_dict(), \"pytorch_model.bin\") in Python";
constexpr std::string_view kArchiveMark = "PK\x03\x04"sv;
constexpr std::string_view kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;  // the first pickle of a series
constexpr std::string_view kSeriesMark = "\x8a\x0a\x6c\xfc\x9c\x46"sv;             // behind the protocol

// The number of elements that a tensor spans in its storage from its first one, or nothing if it does not fit 64 bits.
std::optional<int64_t> span_of(const pickle::PickledTensor& tensor) {
  int64_t last = 0;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] == 0) return 0;
    int64_t step;
    if (__builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &step) ||
        __builtin_add_overflow(last, step, &last))
      return std::nullopt;
  }
  return last == INT64_MAX ? std::nullopt : std::optional(last + 1);
}

std::string_view as_text(std::span<const char> bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

bool is_torch_file(std::string_view bytes) {
  if (bytes.size() > 8 && bytes[0] == '\x80') return bytes.substr(2).starts_with(kSeriesMark);
  // The first record of an archive: its header has 30 bytes, and the length of the name at byte 26.
  if (!bytes.starts_with(kArchiveMark) || bytes.size() < 30) return false;
  uint16_t length;
  std::memcpy(&length, bytes.data() + 26, sizeof length);
  const std::string_view name = bytes.substr(30, length);
  return name.ends_with("/data.pkl") || name.ends_with("/.format_version");
}

TorchFile::TorchFile(const loaders::MappedFile& file) : file_(file) {
  const std::string_view bytes = as_text(file.bytes());
  if (bytes.starts_with(kArchiveMark)) {
    read_archive();
  } else if (bytes.starts_with("\x80"sv)) {
    read_pickles();
  } else {
    const std::string format = loaders::foreign_format(file.bytes());
    fail(path(), ": expected a file of torch.save, found ",
         format.empty() ? "bytes that begin with " + in_quotes(bytes.substr(0, 8)) : format);
  }
}

void TorchFile::read_archive() {
  archive_.emplace(file_.bytes(), path());
  if (archive_->contains("constants.pkl"))
    fail(path(),
         ": expected weights, found a TorchScript program (torch.jit.save); save its weights: "
         "torch.save(module.state_dict(), \"pytorch_model.bin\") in Python");
  const auto pickle = archive_->find_checked("data.pkl");
  if (!pickle) fail(path(), ": expected an archive of torch.save, found a zip file without data.pkl");
  const auto order = archive_->find("byteorder");
  if (order && as_text(*order) != "little")
    fail(path(), ": byteorder: expected \"little\", found ", in_quotes(as_text(*order)),
         ": save it again on a little-endian machine");
  pickle_ = pickle::read_pickle(as_text(*pickle), path(), kHowToSave);
}

// A magic number, the version, the properties of the machine, the object itself, the keys of its storages; then each
// storage: the number of its elements in 8 bytes, and the elements.
void TorchFile::read_pickles() {
  const std::string_view bytes = as_text(file_.bytes());
  size_t at = 0;
  const auto next = [&] {
    Pickle pickle = pickle::read_pickle(bytes.substr(at), path(), kHowToSave);
    at += pickle.bytes;
    return pickle;
  };
  const Pickle magic = next();
  if (magic.root.kind != Kind::number || magic.root.view() != kMagic)
    fail(path(), ": expected a file of torch.save, found another pickle");
  const Pickle version = next();
  if (version.root.kind != Kind::integer || version.root.integer != 1001)
    fail(path(), ": expected version 1001 of torch.save, found another one");
  const Pickle machine = next();
  const auto little = machine.find(machine.root, "little_endian");
  if (!little || little->kind != Kind::boolean || !little->integer)
    fail(path(), ": little_endian: expected True, found ", little ? "False" : "none",
         ": save it again on a little-endian machine");
  pickle_ = next();
  const Pickle keys = next();
  find_storages(keys, at);
}

// at: where the first storage begins.
void TorchFile::find_storages(const Pickle& keys, uint64_t at) {
  const std::span<const char> bytes = file_.bytes();
  std::map<std::string_view, const pickle::Storage*> known;
  for (const pickle::Storage& storage : pickle_.storages) known.emplace(storage.key, &storage);
  uint64_t expected = at;
  for (const Value& key : keys.items(keys.root)) {
    if (key.kind != Kind::text) fail(path(), ": expected a list of the keys of storages, found a ", name_of(key.kind));
    const auto storage = known.find(key.view());
    if (storage == known.end())
      fail(path(), ": storage ", in_quotes(key.view()), ": expected a tensor of it, found none");
    const uint64_t left = bytes.size() > expected ? bytes.size() - expected : 0;
    const uint64_t size = static_cast<uint64_t>(storage->second->element_bytes);
    const auto count = static_cast<uint64_t>(storage->second->count);
    if (count > (UINT64_MAX / 4) / size || expected > UINT64_MAX / 2)
      fail(path(), ": storage ", in_quotes(key.view()), ": expected a size within the file, found ", count,
           " elements");
    if (left >= 8 + count * size) {
      uint64_t stored;
      std::memcpy(&stored, bytes.data() + expected, sizeof stored);
      if (stored != count)
        fail(path(), ": storage ", in_quotes(key.view()), ": expected ", count, " elements, found ", stored);
      if (!storages_.emplace(key.view(), bytes.subspan(expected + 8, count * size)).second)
        fail(path(), ": storage ", in_quotes(key.view()), ": expected once, found twice");
    }
    expected += 8 + count * size;
  }
  if (bytes.size() < expected)
    fail(path(), ": expected ", expected, " bytes, found ", bytes.size(), ": it was cut, download or copy it again");
  if (bytes.size() > expected) fail(path(), ": expected ", expected, " bytes, found ", bytes.size());
}

std::span<const char> TorchFile::storage_bytes(const pickle::Storage& storage, const std::string& where) const {
  std::optional<std::span<const char>> found;
  if (archive_) {
    found = archive_->find("data/" + std::string(storage.key));
  } else if (const auto place = storages_.find(storage.key); place != storages_.end()) {
    found = place->second;
  }
  if (!found) fail(where, ": expected its storage ", in_quotes(storage.key), " in the file, found none");
  const auto element = static_cast<uint64_t>(storage.element_bytes), count = static_cast<uint64_t>(storage.count);
  if (found->size() % element != 0 || found->size() / element != count)
    fail(where, ": expected ", count, " elements of ", storage.dtype, " in its storage ", in_quotes(storage.key),
         ", found ", found->size(), " bytes");
  return *found;
}

bool TorchFile::check_sums(const Value& tensors) const {
  if (!archive_) return false;
  std::set<std::string_view> keys;
  for (const Value& value : pickle_.items(tensors))
    if (value.kind == Kind::tensor) keys.insert(pickle_.storages[pickle_.tensors[value.index].storage].key);
  for (const std::string_view key : keys) archive_->find_checked("data/" + std::string(key));
  return true;
}

loaders::StoredTensor TorchFile::tensor(const Value& value, std::string_view name) const {
  const std::string where = path() + ": " + in_quotes(name);
  const pickle::PickledTensor& tensor = pickle_.tensors[value.index];
  const pickle::Storage& storage = pickle_.storages[tensor.storage];
  const std::span<const char> bytes = storage_bytes(storage, where);
  const auto span = span_of(tensor);
  if (!span || tensor.offset > storage.count || *span > storage.count - tensor.offset)
    fail(where, ": expected a tensor within the ", storage.count, " elements of its storage, found shape ",
         loaders::shape_text(tensor.shape), " with strides ", loaders::shape_text(tensor.strides), " from element ",
         tensor.offset);
  // Elements that repeat by a stride of 0 would make a small file a model of any size.
  int64_t elements = 1;
  for (const int64_t size : tensor.shape)
    if (__builtin_mul_overflow(elements, size, &elements)) elements = INT64_MAX;
  if (elements > storage.count)
    fail(where, ": expected elements of its own, found ", loaders::shape_text(tensor.shape), " expanded from ",
         storage.count, " elements: save tensor.contiguous()");
  file_.prefetch(bytes);
  const char* data = bytes.data() + tensor.offset * storage.element_bytes;
  return {data, std::string(storage.dtype), tensor.shape, tensor.strides, &path()};
}

}  // namespace gpt2run::torch
