// Parses the header of a safetensors file and checks every number in it.
#include "safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "../common/foreign.hpp"
#include "../common/json.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::huggingface {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors are little-endian and used where they lie");

using loaders::kMostJson;
using loaders::shape_text;
using loaders::StoredTensor;

constexpr size_t kMostDimensions = 8;

// A tensor and the number of its bytes, which agrees with its type and shape.
struct Entry {
  StoredTensor tensor;
  size_t bytes;
};

size_t element_size(const std::string& where, const std::string& dtype) {
  constexpr std::pair<const char*, size_t> sizes[] = {
      {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"BOOL", 1}, {"U8", 1},  {"I8", 1},      {"U16", 2},    {"I16", 2},
      {"U32", 4}, {"I32", 4}, {"F64", 8},  {"U64", 8},  {"I64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  for (const auto& [name, size] : sizes) {
    if (dtype == name) return size;
  }
  fail(where, ": expected a known dtype, found ", in_quotes(dtype));
}

uint64_t read_size(const std::string& where, const json::Value& value) {
  const auto size = value.as_unsigned();
  if (!size) fail(where, ": expected a number from 0, found ", value.description());
  return *size;
}

std::vector<uint64_t> read_sizes(const std::string& where, const json::Value& entry, const char* key, size_t most) {
  const auto found = entry.find(key);
  if (!found || found->type() != json::Type::list || found->elements().size() > most) {
    fail(where, ": expected ", in_quotes(key), " to be a list of at most ", most, ", found ",
         found ? found->type() == json::Type::list ? std::to_string(found->elements().size()) : found->description()
               : "none");
  }
  std::vector<uint64_t> sizes;
  for (const json::Value& item : found->elements()) sizes.push_back(read_size(where, item));
  return sizes;
}

// The size in bytes of a tensor with this shape and dtype. Throws Error if it exceeds `most`; nothing overflows.
uint64_t read_shape(const std::string& where, const std::vector<uint64_t>& shape, uint64_t most, StoredTensor& tensor) {
  uint64_t bytes = element_size(where, tensor.dtype);
  bool empty = false;
  for (const uint64_t size : shape) {
    if (size > uint64_t{INT64_MAX}) fail(where, ": expected a shape within the file, found ", shape_text(shape));
    tensor.shape.push_back(static_cast<int64_t>(size));
    empty = empty || size == 0;
    if (size && bytes > most / size) bytes = most + 1;
    if (size && bytes <= most) bytes *= size;
  }
  if (empty) return 0;
  if (bytes > most) fail(where, ": expected a shape within the file, found ", shape_text(shape));
  return bytes;
}

Entry read_entry(const std::string& where, const json::Value& entry, std::span<const char> data) {
  if (entry.type() != json::Type::object) fail(where, ": expected an object, found ", entry.description());
  const auto dtype = entry.find_or_null("dtype").as_text();
  if (!dtype) fail(where, ": expected \"dtype\" to be a text");
  StoredTensor tensor{};
  tensor.dtype = *dtype;
  const std::vector<uint64_t> shape = read_sizes(where, entry, "shape", kMostDimensions);
  const uint64_t bytes = read_shape(where, shape, data.size(), tensor);
  const std::vector<uint64_t> offsets = read_sizes(where, entry, "data_offsets", 2);
  if (offsets.size() != 2) fail(where, ": expected two data_offsets, found ", offsets.size());
  const uint64_t begin = offsets[0], end = offsets[1];
  if (begin > end || end > data.size()) {
    fail(where, ": expected data_offsets within the ", data.size(), " bytes of data, found ", begin, " to ", end);
  }
  if (end - begin != bytes) {
    fail(where, ": expected ", bytes, " bytes for ", tensor.dtype, " ", shape_text(shape), ", found ", end - begin);
  }
  tensor.data = data.data() + begin;
  if (bytes > 0) tensor.strides = loaders::contiguous_strides(tensor.shape);
  tensor.strides.resize(tensor.shape.size(), 1);
  return {std::move(tensor), bytes};
}

// Throws Error unless every byte of the data belongs to exactly one tensor, as the format demands. This finds files
// that have lost or gained bytes.
void check_cover(const std::string& path, std::span<const char> data, const std::map<std::string, Entry>& all) {
  std::vector<const std::pair<const std::string, Entry>*> sorted;
  for (const auto& item : all) sorted.push_back(&item);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) {
    return std::pair(a->second.tensor.data, a->second.bytes) < std::pair(b->second.tensor.data, b->second.bytes);
  });
  const char* next = data.data();
  for (const auto* item : sorted) {
    const auto& [name, entry] = *item;
    const StoredTensor& tensor = entry.tensor;
    if (tensor.data != next) {
      fail(path, ": ", in_quotes(name), ": expected to begin at byte ", next - data.data(), " of the data, found ",
           tensor.data - data.data(), tensor.data < next ? " (overlaps another tensor)" : " (bytes of no tensor)");
    }
    next += entry.bytes;
  }
  if (next != data.data() + data.size()) {
    fail(path, ": expected ", next - data.data(), " bytes of data, found ", data.size());
  }
}

// Throws Error for a file whose header speaks of more bytes than there are, as an interrupted download leaves it.
void check_whole(const std::string& path, const json::Value& header, size_t begin, size_t size) {
  uint64_t end = 0;
  for (const auto& [name, entry] : header.members()) {
    const auto offsets = entry.find_or_null("data_offsets").elements();
    for (const json::Value& offset : offsets) end = std::max(end, offset.as_unsigned().value_or(0));
  }
  if (end > size - begin && end <= UINT64_MAX - begin)
    fail(path, ": data_offsets: expected a file of ", begin + end, " bytes, found ", size,
         ": it was cut, download or copy it again");
}

// A text of the metadata is the other name of a tensor where there is a tensor of that name.
void add_metadata(loaders::StoredTensors& tensors, const json::Value& metadata) {
  for (const auto& [name, other] : metadata.members()) {
    const auto text = other.as_text();
    if (!text) continue;
    tensors.add_alias(name, *text);
    tensors.add_metadata(name, *text);
  }
}

}  // namespace

void add_safetensors(loaders::StoredTensors& tensors, const loaders::MappedFile& file) {
  const std::string& path = file.path();
  const std::span<const char> bytes = file.bytes();
  uint64_t header = 0;
  if (bytes.size() < sizeof header) fail(path, ": expected at least 8 bytes, found ", bytes.size());
  std::memcpy(&header, bytes.data(), sizeof header);
  const uint64_t most = std::min<uint64_t>(bytes.size() - sizeof header, kMostJson);
  const bool is_json = bytes.size() > sizeof header && bytes[sizeof header] == '{';
  if (header < 2 || header > most || !is_json) {
    const std::string format = loaders::foreign_format(bytes);
    if (!format.empty()) fail(path, ": expected a safetensors file, found ", format);
  }
  if (header > most && header <= kMostJson && is_json)
    fail(path, ": expected a header of ", header, " bytes and more, found a file of ", bytes.size(),
         ": it was cut, download or copy it again");
  if (header < 2 || header > most) fail(path, ": expected a header of 2 to ", most, " bytes, found ", header);
  const json::Document document = loaders::parse_object(path, bytes.subspan(sizeof header, header));
  const json::Value root = document.root();
  check_whole(path, root, sizeof header + header, bytes.size());
  const std::span<const char> data = bytes.subspan(sizeof header + header);
  std::map<std::string, Entry> entries;
  for (const auto& [name, entry] : root.members()) {
    if (name == "__metadata__") continue;
    Entry read = read_entry(path + ": " + in_quotes(name), entry, data);
    read.tensor.path = &path;
    entries.emplace(name, std::move(read));
  }
  check_cover(path, data, entries);
  for (auto& [name, entry] : entries) tensors.add(name, std::move(entry.tensor));
  add_metadata(tensors, root.find_or_null("__metadata__"));
}

}  // namespace gpt2run::huggingface
