// Reads the header, the metadata and the directory of a GGUF file.
#include "gpt2run/gguf/gguf.hpp"

#include <bit>
#include <cstring>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::gguf {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian and read where they lie");

constexpr int kMaxDepth = 8;  // of lists in lists
constexpr uint32_t kMaxDimensions = 4;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 30;
// The fewest bytes of a text, of a list, of a key with its value, and of an entry of the directory.
constexpr uint64_t kLeastText = 8, kLeastList = 12, kLeastValue = 13, kLeastTensor = 24;

// Thrown within this file when the beginning of the file that was given ends too early.
struct MoreIsNeeded {};

// The bytes of a value of this type, or 0 for texts and lists, whose sizes differ.
uint64_t width_of(ValueType type) {
  constexpr uint8_t kWidths[kValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return kWidths[static_cast<uint32_t>(type)];
}

// Metadata of a model with 262,143 tokens has a few megabytes.
constexpr uint64_t kMostBytes = uint64_t{1} << 28;

// Reads one item after the other, and checks each length against the size of the whole file.
class Cursor {
 public:
  Cursor(std::string_view beginning, uint64_t size, const std::string& path)
      : beginning_(beginning), size_(size), path_(path) {}

  uint64_t position() const { return at_; }
  std::string_view since(uint64_t begin) const { return beginning_.substr(begin, at_ - begin); }

  // What messages name from here on: a part of the file, and a name within it or "".
  void enter(const char* part, std::string_view name = "") { part_ = part, name_ = name; }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(path_, ": ", part_, name_.empty() ? "" : " " + in_quotes(name_), ": ", parts...);
  }

  std::string_view take(uint64_t count) {
    if (count > size_ - at_)
      refuse("expected ", count, " more bytes from byte ", at_, " on, found ", size_ - at_,
             ", the end of the file: it was cut or is damaged");
    if (count > kMostBytes - at_)
      refuse("expected at most ", kMostBytes, " bytes before the tensors, found ", count, " more at byte ", at_);
    if (count > beginning_.size() - at_) throw MoreIsNeeded();
    at_ += count;
    return beginning_.substr(at_ - count, count);
  }

  template <class Number>
  Number number() {
    Number value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string_view text() { return take(number<uint64_t>()); }

  // The number of items that follow, each of at least this many bytes.
  uint64_t count_of(uint64_t least) {
    const auto count = number<uint64_t>();
    if (count > (size_ - at_) / least)
      refuse("expected ", count, " items of at least ", least, " bytes from byte ", at_, " on, found ", size_ - at_,
             " bytes, the end of the file: it was cut or is damaged");
    return count;
  }

  ValueType value_type() {
    const auto type = number<uint32_t>();
    if (type >= kValueTypes) refuse("expected a type of value from 0 to ", kValueTypes - 1, ", found ", type);
    return static_cast<ValueType>(type);
  }

 private:
  std::string_view beginning_;
  uint64_t size_, at_ = 0;
  const std::string& path_;
  const char* part_ = "header";
  std::string_view name_;
};

// depth: the number of lists around this one.
Value read_list(Cursor& cursor, int depth) {
  if (depth == kMaxDepth) cursor.refuse("expected lists of at most ", kMaxDepth, " levels, found more");
  const ValueType element = cursor.value_type();
  const uint64_t width = width_of(element);
  const uint64_t count = cursor.count_of(width ? width : element == ValueType::text ? kLeastText : kLeastList);
  const uint64_t begin = cursor.position();
  if (width) return {ValueType::list, cursor.take(count * width), element, count};
  for (uint64_t i = 0; i < count; ++i) {
    if (element == ValueType::text)
      cursor.text();
    else
      read_list(cursor, depth + 1);
  }
  return {ValueType::list, cursor.since(begin), element, count};
}

Value read_value(Cursor& cursor) {
  const ValueType type = cursor.value_type();
  if (type == ValueType::list) return read_list(cursor, 0);
  return {type, type == ValueType::text ? cursor.text() : cursor.take(width_of(type))};
}

StoredTensor read_tensor(Cursor& cursor) {
  StoredTensor tensor;
  const auto dimensions = cursor.number<uint32_t>();
  if (dimensions > kMaxDimensions)
    cursor.refuse("expected at most ", kMaxDimensions, " dimensions, found ", dimensions);
  for (uint32_t i = 0; i < dimensions; ++i) tensor.shape.push_back(cursor.number<uint64_t>());
  tensor.type = cursor.number<uint32_t>();
  tensor.offset = cursor.number<uint64_t>();
  return tensor;
}

void check_magic(Cursor& cursor, uint64_t size) {
  if (size < kMagic.size()) cursor.refuse("expected the four letters GGUF, found a file of ", size, " bytes");
  const std::string_view magic = cursor.take(kMagic.size());
  if (magic != kMagic) cursor.refuse("expected the four letters GGUF, found ", in_quotes(magic));
}

// In a big-endian file the version is in its highest byte.
void check_version(Cursor& cursor) {
  const auto version = cursor.number<uint32_t>();
  if (version != 0 && (version & 0xffff) == 0)
    cursor.refuse("expected little-endian numbers, found a big-endian file: convert it again for this machine");
  if (version != 2 && version != kVersion)
    cursor.refuse("version: expected 2 or 3, found ", version,
                  version == 1 ? ", of the first days of the format: convert the model again" : "");
}

uint64_t alignment_of(const Contents& contents) {
  const std::optional<int64_t> given = contents.integer("general.alignment");
  const auto alignment = static_cast<uint64_t>(given.value_or(int64_t{kDefaultAlignment}));
  if (!std::has_single_bit(alignment) || alignment > kMaxAlignment)
    fail(contents.path, ": general.alignment: expected a power of two up to ", kMaxAlignment, ", found ", *given);
  return alignment;
}

Contents read_contents(Cursor& cursor, uint64_t size, const std::string& path) {
  check_magic(cursor, size);
  check_version(cursor);
  cursor.enter("number of tensors");
  const uint64_t tensors = cursor.count_of(kLeastTensor);
  cursor.enter("number of keys");
  const uint64_t values = cursor.count_of(kLeastValue);
  Contents contents{.path = path, .values = {}, .tensors = {}, .alignment = 0, .data_begin = 0};
  for (uint64_t i = 0; i < values; ++i) {
    cursor.enter("metadata");
    const std::string_view key = cursor.text();
    cursor.enter("key", key);
    const auto [known, added] = contents.values.emplace(key, read_value(cursor));
    if (!added) cursor.refuse("expected every key once, found it twice");
  }
  for (uint64_t i = 0; i < tensors; ++i) {
    cursor.enter("directory of tensors");
    const std::string_view name = cursor.text();
    cursor.enter("tensor", name);
    const auto [known, added] = contents.tensors.emplace(name, read_tensor(cursor));
    if (!added) cursor.refuse("expected every tensor once, found it twice");
  }
  contents.alignment = alignment_of(contents);
  contents.data_begin = (cursor.position() + contents.alignment - 1) / contents.alignment * contents.alignment;
  return contents;
}

}  // namespace

std::optional<Contents> read(std::string_view beginning, uint64_t size, const std::string& path) {
  Cursor cursor(beginning, size, path);
  try {
    return read_contents(cursor, size, path);
  } catch (const MoreIsNeeded&) {
    return std::nullopt;
  }
}

std::string type_text(uint32_t type) {
  constexpr const char* kNames[] = {"F32",      "F16",      "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",  "Q5_0",  "Q5_1",
                                    "Q8_0",     "Q8_1",     "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K",  "Q8_K",
                                    "IQ2_XXS",  "IQ2_XS",   "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS",
                                    "I8",       "I16",      "I32",     "I64",   "F64",    "IQ1_M", "BF16",  "Q4_0_4_4",
                                    "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0"};
  if (type < std::size(kNames)) return kNames[type];
  return type == 39 ? "MXFP4" : "type " + std::to_string(type);
}

std::string weight_name(Weight weight, int layer) {
  constexpr const char* kNames[kWeights] = {
      "token_embd.weight", "position_embd.weight", "attn_norm.weight", "attn_norm.bias",  "attn_qkv.weight",
      "attn_qkv.bias",     "attn_output.weight",   "attn_output.bias", "ffn_norm.weight", "ffn_norm.bias",
      "ffn_up.weight",     "ffn_up.bias",          "ffn_down.weight",  "ffn_down.bias",   "output_norm.weight",
      "output_norm.bias",  "output.weight"};
  const std::string name = kNames[static_cast<size_t>(weight)];
  return is_per_layer(weight) ? "blk." + std::to_string(layer) + "." + name : name;
}

}  // namespace gpt2run::gguf
