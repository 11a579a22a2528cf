// Reads the protocol buffers of a bundle: fields with a number and a kind, in any order.
#include "bundle.hpp"

#include <algorithm>
#include <compare>
#include <cstdio>
#include <optional>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "table.hpp"

namespace gpt2run::tensorflow {
namespace {

using loaders::StoredTensor;

// Calls visit(field, number, bytes) for every field of a message: a number, or bytes for an inner message.
template <class Visit>
void each_field(std::string_view message, const std::string& where, const Visit& visit) {
  for (Cursor cursor(message, where); !cursor.is_at_end();) {
    const uint64_t tag = cursor.varint();
    switch (tag & 7) {
      case 0:
        visit(tag >> 3, cursor.varint(), std::string_view());
        break;
      case 2:
        visit(tag >> 3, uint64_t{0}, cursor.piece(cursor.varint()));
        break;
      case 5:
        visit(tag >> 3, cursor.fixed32(), std::string_view());
        break;
      default:
        cursor.refuse("expected a number or bytes in a field, found kind " + std::to_string(tag & 7));
    }
  }
}

// What the index says of a tensor.
struct Entry {
  uint64_t type = 0, shard = 0, offset = 0, size = 0;
  std::optional<uint32_t> sum;
  std::vector<int64_t> shape;
  bool is_sliced = false;
};

Entry read_entry(std::string_view message, const std::string& where) {
  constexpr size_t kMostDimensions = 8;
  Entry entry;
  const auto add_dimension = [&](uint64_t field, uint64_t number, std::string_view) {
    if (field == 1) entry.shape.back() = static_cast<int64_t>(std::min(number, uint64_t{INT64_MAX}));
  };
  const auto read_shape = [&](uint64_t field, uint64_t, std::string_view bytes) {
    if (field != 2) return;
    if (entry.shape.size() == kMostDimensions) fail(where, ": expected at most 8 dimensions, found more");
    entry.shape.push_back(0);
    each_field(bytes, where, add_dimension);
  };
  each_field(message, where, [&](uint64_t field, uint64_t number, std::string_view bytes) {
    if (field == 1) entry.type = number;
    if (field == 2) each_field(bytes, where, read_shape);
    if (field == 3) entry.shard = number;
    if (field == 4) entry.offset = number;
    if (field == 5) entry.size = number;
    if (field == 6) entry.sum = static_cast<uint32_t>(number);
    if (field == 7) entry.is_sliced = true;
  });
  return entry;
}

// Where a tensor lies.
struct Place {
  uint64_t shard, begin, end;
  std::string name;
  auto operator<=>(const Place&) const = default;
};

// Type and size of an element; null for types that no weight has.
std::pair<const char*, uint64_t> element_of(uint64_t type) {
  return type == 1    ? std::pair("F32", uint64_t{4})
         : type == 2  ? std::pair("F64", uint64_t{8})
         : type == 14 ? std::pair("BF16", uint64_t{2})
         : type == 19 ? std::pair("F16", uint64_t{2})
                      : std::pair<const char*, uint64_t>(nullptr, 0);
}

// A type of TensorFlow, for messages.
std::string type_text(uint64_t type) {
  constexpr std::pair<uint64_t, const char*> kNames[] = {{3, "int32"},  {4, "uint8"},     {5, "int16"},  {6, "int8"},
                                                         {7, "string"}, {8, "complex64"}, {9, "int64"},  {10, "bool"},
                                                         {11, "qint8"}, {12, "quint8"},   {17, "uint16"}};
  for (const auto& [number, name] : kNames)
    if (number == type) return name;
  return "type " + std::to_string(type);
}

std::string name_in_transformers(std::string_view name) {
  if (!name.starts_with("model/")) return std::string(name);
  std::string out(name.substr(6));
  if (out == "wte" || out == "wpe") return out + ".weight";
  const size_t last = out.rfind('/');
  const std::string end = last == out.npos ? "" : out.substr(last + 1);
  if (end != "w" && end != "b" && end != "g") return std::string(name);
  out = out.substr(0, last) + (end == "b" ? ".bias" : ".weight");
  std::replace(out.begin(), out.end(), '/', '.');
  const bool is_layer = out.size() > 1 && out[0] == 'h' && out[1] >= '0' && out[1] <= '9';
  return is_layer ? std::string("h.").append(out, 1) : out;
}

// Throws Error unless all bytes of the tensor are in the file.
StoredTensor place(const Entry& entry, const loaders::MappedFile& file, const std::string& where) {
  const auto [dtype, bytes] = element_of(entry.type);
  const uint64_t size = file.bytes().size();
  uint64_t expected = bytes;
  for (const int64_t dimension : entry.shape)
    if (__builtin_mul_overflow(expected, static_cast<uint64_t>(dimension), &expected)) expected = UINT64_MAX;
  if (entry.size != expected)
    fail(where, ": expected ", expected, " bytes for ", dtype, " ", loaders::shape_text(entry.shape), ", found ",
         entry.size);
  uint64_t end;
  if (__builtin_add_overflow(entry.offset, entry.size, &end)) end = UINT64_MAX;
  if (end > size)
    fail(file.path(), ": expected ", end, " bytes at least, up to the end of ", where.substr(where.find('"')),
         ", found ", size, ": it was cut, download or copy it again");
  std::vector<int64_t> shape = entry.shape;
  if (shape.size() == 3 && shape[0] == 1) shape.erase(shape.begin());
  return {file.bytes().data() + entry.offset, dtype, shape, loaders::contiguous_strides(shape), &file.path()};
}

void check_sum(const Entry& entry, const StoredTensor& tensor, const std::string& where) {
  if (entry.sum && *entry.sum != masked_sum({tensor.data, entry.size}))
    fail(where, ": expected its sum in ", *tensor.path,
         ", found another: the file is damaged, download or copy it again");
}

}  // namespace

void add_bundle(loaders::StoredTensors& tensors, bool check_sums) {
  const std::string& path = tensors.path();
  const loaders::MappedFile index(path);
  const auto entries = read_table(index);
  uint64_t shards = 0, order = 0;
  const auto header = entries.find("");
  if (header == entries.end()) fail(path, ": expected the header of a bundle, found none");
  each_field(header->second, path, [&](uint64_t field, uint64_t number, std::string_view) {
    if (field == 1) shards = number;
    if (field == 2) order = number;
  });
  if (order != 0) fail(path, ": expected little-endian order, found another: save it again on a little-endian machine");
  std::map<uint64_t, const loaders::MappedFile*> files;
  std::vector<Place> places;
  for (const auto& [name, message] : entries) {
    const std::string where = path + ": " + in_quotes(name);
    const Entry entry = name.empty() ? Entry{} : read_entry(message, where);
    // A step or a table of strings is no weight; the weights of a model are under this name.
    if (!element_of(entry.type).first && !name.starts_with("model/")) continue;
    if (!element_of(entry.type).first)
      fail(where, ": expected weights of type float32, float64, bfloat16 or float16, found ", type_text(entry.type));
    if (entry.is_sliced) fail(where, ": expected a whole tensor, found slices: save it again without partitions");
    if (entry.shard >= shards || shards > 99'999)
      fail(where, ": expected one of ", shards, " data files, found number ", entry.shard);
    const loaders::MappedFile*& file = files[entry.shard];
    char end[40];
    std::snprintf(end, sizeof end, ".data-%05u-of-%05u", static_cast<unsigned>(entry.shard),
                  static_cast<unsigned>(shards));
    if (!file) file = &tensors.map(path.substr(0, path.rfind('.')) + end);
    StoredTensor tensor = place(entry, *file, where);
    if (check_sums) check_sum(entry, tensor, where);
    tensors.add(name_in_transformers(name), std::move(tensor));
    if (entry.size > 0) places.push_back({entry.shard, entry.offset, entry.offset + entry.size, name});
  }
  std::ranges::sort(places);
  for (size_t i = 1; i < places.size(); ++i)
    if (places[i].shard == places[i - 1].shard && places[i].begin < places[i - 1].end)
      fail(path, ": expected tensors that do not overlap, found ", in_quotes(places[i - 1].name), " and ",
           in_quotes(places[i].name), " at byte ", places[i].begin);
}

}  // namespace gpt2run::tensorflow
