// Checks each tensor by itself, then all of them against the file's size and each other.
#include "directory.hpp"

#include <algorithm>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::gguf {
namespace {

// The bytes of a tensor. `most`: a number of elements that no file of this size holds. Nothing overflows.
uint64_t bytes_of(const std::string& where, const StoredTensor& stored, const BlockType& type, uint64_t most) {
  uint64_t elements = 1;
  const bool is_empty = std::find(stored.shape.begin(), stored.shape.end(), 0u) != stored.shape.end();
  for (const uint64_t size : stored.shape) {
    if (!is_empty && elements > most / size)
      fail(where, ": expected a shape within the file, found ", shape_text(stored.shape));
    elements *= is_empty ? 0 : size;
  }
  const auto block = static_cast<uint64_t>(type.elements);
  const uint64_t row = stored.shape.empty() ? 1 : stored.shape.front();
  if (row % block)
    fail(where, ": expected rows of a multiple of ", block, " elements in ", type_text(stored.type), ", found ", row);
  return elements / block * static_cast<uint64_t>(type.bytes);
}

constexpr uint64_t kMostBehind = uint64_t{1} << 20;  // bytes of padding behind the last tensor

// An offset of the data, for sorting.
struct Extent {
  uint64_t begin, end;
  std::string_view name;
};

// Throws Error unless the file has all bytes, each of them in one tensor at most.
void check_extents(const Contents& contents, std::vector<Extent> extents, uint64_t size) {
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t end = 0;
  std::string_view last;
  for (const Extent& extent : extents) {
    if (extent.begin < end && extent.begin != extent.end)
      fail(contents.path, ": tensor ", in_quotes(extent.name), ": expected data of its own, found that of ",
           in_quotes(last));
    if (extent.end >= end) end = extent.end, last = extent.name;
  }
  if (contents.data_begin + end > size)
    fail(contents.path, ": expected at least ", contents.data_begin + end, " bytes, up to the end of tensor ",
         in_quotes(last), ", found ", size, ": it was cut, download or copy it again");
  if (size - contents.data_begin - end > kMostBehind)
    fail(contents.path, ": expected at most ", kMostBehind, " bytes behind the last tensor, found ",
         size - contents.data_begin - end, ": the file is damaged, download or copy it again");
}

}  // namespace

std::string shape_text(const std::vector<uint64_t>& shape) {
  std::string text = "[";
  for (const uint64_t size : shape) text.append(text.size() > 1 ? "," : "").append(std::to_string(size));
  return text + "]";
}

std::map<std::string_view, PlacedTensor> place_tensors(const Contents& contents, const loaders::MappedFile& file) {
  // A shape or an offset beyond it belongs to no file, not even to one that was cut off. Every sum stays below 2^63.
  constexpr uint64_t kMost = uint64_t{1} << 56;
  std::map<std::string_view, PlacedTensor> tensors;
  std::vector<Extent> extents;
  for (const auto& [name, stored] : contents.tensors) {
    const std::string where = contents.path + ": tensor " + in_quotes(name);
    const BlockType* type = find_block_type(stored.type);
    if (!type) fail(where, ": expected ", kReadTypes, ", found ", type_text(stored.type));
    const uint64_t bytes = bytes_of(where, stored, *type, kMost);
    if (stored.offset > kMost) fail(where, ": expected an offset within the file, found ", stored.offset);
    if (stored.offset % contents.alignment)
      fail(where, ": expected an offset that is a multiple of ", contents.alignment, ", found ", stored.offset);
    extents.push_back({stored.offset, stored.offset + bytes, name});
    const char* data = file.bytes().data() + contents.data_begin + stored.offset;
    tensors.emplace(name, PlacedTensor{type, stored.shape, data, bytes});
  }
  check_extents(contents, std::move(extents), file.bytes().size());
  return tensors;
}

}  // namespace gpt2run::gguf
