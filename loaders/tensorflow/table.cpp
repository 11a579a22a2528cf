// Every block is checked by its sum before it is read.
#include "table.hpp"

#include <cstring>

#include "../common/checksum.hpp"
#include "../common/foreign.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::tensorflow {
namespace {

constexpr size_t kFooter = 48, kBehindBlock = 5;  // bytes: two handles and the magic number; a type and a sum
constexpr uint64_t kMagic = 0xdb4775248b80fb57;
constexpr size_t kMostBytes = size_t{1} << 26, kMostEntries = 100'000;  // of an index; GPT-2's has some hundred entries
constexpr size_t kLongestKey = 1000;  // keys that share their beginning could make a small file a large table

using Entries = std::map<std::string, std::string_view>;

// Adds the entries of the block that a handle names by offset and size. begin: where the block may begin; becomes the
// block's end, because blocks do not overlap.
void read_block(std::string_view file, const std::string& path, Cursor& handle, uint64_t& begin, Entries& entries) {
  const uint64_t offset = handle.varint(), size = handle.varint();
  if (offset < begin) fail(path, ": expected a block at byte ", begin, " or behind it, found one at ", offset);
  if (file.size() < kBehindBlock || size > file.size() - kBehindBlock || offset > file.size() - kBehindBlock - size)
    fail(path, ": expected a block within its ", file.size(), " bytes, found ", size, " bytes at ", offset);
  std::string_view block = file.substr(offset, size);
  const std::string where = path + ": block at byte " + std::to_string(offset);
  begin = offset + size + kBehindBlock;
  Cursor behind(file.substr(offset + size + 1, 4), where);
  if (behind.fixed32() != masked_sum(file.substr(offset, size + 1))) fail(where, ": expected its sum, found another");
  if (file[offset + size] != 0)
    fail(where, ": expected plain bytes, found compressed ones: save the checkpoint again with tf.train.Saver");
  if (size < 4) fail(where, ": expected at least 4 bytes, found ", size);
  uint32_t restarts;  // places where a key stands whole; whoever reads all entries does not need them
  std::memcpy(&restarts, block.data() + size - sizeof restarts, sizeof restarts);
  if (restarts > size / 4 - 1) fail(where, ": expected at most ", size / 4 - 1, " restarts, found ", restarts);
  block.remove_suffix(4 * (size_t{restarts} + 1));
  std::string key;
  for (Cursor cursor(block, where); !cursor.is_at_end();) {
    const uint64_t shared = cursor.varint(), own = cursor.varint(), bytes = cursor.varint();
    if (shared > key.size() || own > kLongestKey - shared)
      cursor.refuse("expected a key of at most " + std::to_string(kLongestKey) + " bytes, found a longer one");
    key = key.substr(0, shared).append(cursor.piece(own));
    if (entries.size() == kMostEntries) fail(path, ": expected at most ", kMostEntries, " entries, found more");
    if (!entries.emplace(key, cursor.piece(bytes)).second) cursor.refuse("expected " + in_quotes(key) + " once");
  }
}

}  // namespace

uint32_t masked_sum(std::span<const char> bytes) {
  const uint32_t sum = loaders::crc32c(bytes);
  return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

void Cursor::refuse(const std::string& why) const { fail(where_, ": ", why); }

uint64_t Cursor::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(piece(1).front());
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  refuse("expected a number of at most 64 bits, found a longer one");
}

uint32_t Cursor::fixed32() {
  uint32_t value;
  std::memcpy(&value, piece(sizeof value).data(), sizeof value);
  return value;
}

std::string_view Cursor::piece(uint64_t size) {
  if (size > bytes_.size())
    refuse("expected " + std::to_string(size) + " more bytes, found " + std::to_string(bytes_.size()));
  const std::string_view found = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return found;
}

Entries read_table(const loaders::MappedFile& mapped) {
  const std::string& path = mapped.path();
  const std::string_view file(mapped.bytes().data(), mapped.bytes().size());
  uint64_t magic = 0;
  if (file.size() >= kFooter) std::memcpy(&magic, file.data() + file.size() - sizeof magic, sizeof magic);
  if (magic != kMagic) {
    const std::string format = loaders::foreign_format(mapped.bytes());
    fail(path, ": expected the index of a TensorFlow checkpoint, which ends in its magic number, found ",
         format.empty() ? std::to_string(file.size()) + " bytes that do not: it was cut, or is another file" : format);
  }
  Cursor footer(file.substr(file.size() - kFooter), path);
  footer.varint(), footer.varint();  // the handle of the block of metadata, which TensorFlow does not use
  if (file.size() > kMostBytes)
    fail(path, ": expected an index of at most ", kMostBytes, " bytes, found ", file.size());
  Entries index, entries;
  uint64_t begin = 0, index_begin = 0;
  read_block(file, path, footer, index_begin, index);
  for (const auto& [last, handle] : index) {
    Cursor cursor(handle, path);
    read_block(file, path, cursor, begin, entries);
  }
  return entries;
}

}  // namespace gpt2run::tensorflow
