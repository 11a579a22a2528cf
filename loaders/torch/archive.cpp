// Reads the central directory of a zip archive. Every number in it is checked against the file before it is used.
#include "archive.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../common/checksum.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run::torch {
namespace {

constexpr uint32_t kLocalMark = 0x04034b50, kEntryMark = 0x02014b50, kEndMark = 0x06054b50;
constexpr uint32_t kEnd64Mark = 0x06064b50, kLocator64Mark = 0x07064b50;
constexpr size_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr size_t kLongestComment = 0xffff;

struct Directory {
  uint64_t begin, bytes, entries;
};

struct Entry {
  std::string_view name;
  uint64_t local, size;  // where the local header begins, bytes of the data in the file
  int method;
  uint32_t sum;
};

class DirectoryReader {
 public:
  DirectoryReader(std::span<const char> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  Directory find() const {
    const size_t end = find_end();
    Directory directory{number<uint32_t>(end + 16), number<uint32_t>(end + 12), number<uint16_t>(end + 10)};
    uint64_t limit = end;
    if (end >= kLocatorBytes && number<uint32_t>(end - kLocatorBytes) == kLocator64Mark) {
      const uint64_t at = number<uint64_t>(end - kLocatorBytes + 8);
      if (at > end || end - at < kEnd64Bytes || number<uint32_t>(at) != kEnd64Mark)
        fail(path_, ": expected the end of a zip64 directory at byte ", at, ", found none");
      directory = {number<uint64_t>(at + 48), number<uint64_t>(at + 40), number<uint64_t>(at + 32)};
      limit = at;
    }
    if (directory.begin > limit || directory.bytes > limit - directory.begin)
      fail(path_, ": expected a directory within the ", limit, " bytes before its end, found ", directory.bytes,
           " bytes at byte ", directory.begin);
    if (directory.entries > directory.bytes / kEntryBytes)
      fail(path_, ": expected at most ", directory.bytes / kEntryBytes, " records in the directory, found ",
           directory.entries);
    return directory;
  }

  std::vector<Entry> read(const Directory& directory) const {
    std::vector<Entry> entries;
    uint64_t at = directory.begin;
    const uint64_t end = directory.begin + directory.bytes;
    for (uint64_t i = 0; i < directory.entries; ++i) {
      if (end - at < kEntryBytes || number<uint32_t>(at) != kEntryMark)
        fail(path_, ": expected record ", i, " of the directory at byte ", at, ", found none");
      const uint64_t name = number<uint16_t>(at + 28), extra = number<uint16_t>(at + 30),
                     comment = number<uint16_t>(at + 32);
      if (name + extra + comment > end - at - kEntryBytes)
        fail(path_, ": expected record ", i, " within the directory, found one of ", name + extra + comment, " bytes");
      entries.push_back(read_entry(at, name, extra));
      at += kEntryBytes + name + extra + comment;
    }
    return entries;
  }

  // Where an entry's data lies, by its local header.
  std::span<const char> data_of(const Entry& entry, uint64_t limit) const {
    const std::string where = path_ + ": " + in_quotes(entry.name);
    if (entry.local > limit || limit - entry.local < kLocalBytes || number<uint32_t>(entry.local) != kLocalMark)
      fail(where, ": expected a record at byte ", entry.local, ", found none");
    const uint64_t name = number<uint16_t>(entry.local + 26), extra = number<uint16_t>(entry.local + 28);
    const uint64_t left = limit - entry.local - kLocalBytes;
    if (name + extra > left || entry.size > left - name - extra)
      fail(where, ": expected a record within the file, found ", entry.size, " bytes at byte ", entry.local);
    const std::string_view repeated(bytes_.data() + entry.local + kLocalBytes, name);
    if (repeated != entry.name)
      fail(where, ": expected the same name at byte ", entry.local, ", found ", in_quotes(repeated));
    return bytes_.subspan(entry.local + kLocalBytes + name + extra, entry.size);
  }

 private:
  // Only for places that have been checked.
  template <class Number>
  Number number(uint64_t at) const {
    Number value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  // The end record is the last one; a comment may follow.
  size_t find_end() const {
    if (bytes_.size() >= kEndBytes) {
      size_t at = bytes_.size() - kEndBytes;
      const size_t least = at > kLongestComment ? at - kLongestComment : 0;
      for (;; --at) {
        if (number<uint32_t>(at) == kEndMark && number<uint16_t>(at + 20) == bytes_.size() - kEndBytes - at) return at;
        if (at == least) break;
      }
    }
    fail(path_, ": expected the directory at the end of a PyTorch archive, found none in ", bytes_.size(),
         " bytes: the file was cut, download or copy it again");
  }

  Entry read_entry(uint64_t at, uint64_t name_bytes, uint64_t extra_bytes) const {
    const std::string_view name(bytes_.data() + at + kEntryBytes, name_bytes);
    const std::string where = path_ + ": " + in_quotes(name);
    const int flags = number<uint16_t>(at + 8), method = number<uint16_t>(at + 10);
    if (flags & 1) fail(where, ": expected a plain record, found an encrypted one");
    uint64_t packed = number<uint32_t>(at + 20), size = number<uint32_t>(at + 24), local = number<uint32_t>(at + 42);
    read_extra(where, at + kEntryBytes + name_bytes, extra_bytes, {&size, &packed, &local});
    if (method == 0 && packed != size) fail(where, ": expected ", size, " bytes stored, found ", packed);
    return {name, local, packed, method, number<uint32_t>(at + 16)};
  }

  // The field of zip64 has, in this order, those of the values that do not fit 32 bits.
  void read_extra(const std::string& where, uint64_t at, uint64_t bytes,
                  std::initializer_list<uint64_t*> values) const {
    constexpr uint16_t kZip64 = 1;
    const uint64_t end = at + bytes;
    while (end - at >= 4) {
      const uint64_t size = number<uint16_t>(at + 2);
      if (size > end - at - 4) fail(where, ": expected an extra field within its record, found ", size, " bytes");
      if (number<uint16_t>(at) == kZip64) {
        uint64_t from = at + 4;
        for (uint64_t* value : values) {
          if (*value != UINT32_MAX) continue;
          if (at + 4 + size - from < 8) fail(where, ": expected a 64-bit size in its zip64 field, found none");
          *value = number<uint64_t>(from);
          from += 8;
        }
      }
      at += 4 + size;
    }
  }

  std::span<const char> bytes_;
  const std::string& path_;
};

}  // namespace

Archive::Archive(std::span<const char> bytes, const std::string& path) : path_(path) {
  const DirectoryReader reader(bytes, path);
  const Directory directory = reader.find();
  std::vector<Entry> entries = reader.read(directory);
  if (!entries.empty()) root_ = entries.front().name.substr(0, entries.front().name.find('/') + 1);
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.local < b.local; });
  for (size_t i = 0; i < entries.size(); ++i) {
    const uint64_t limit = i + 1 < entries.size() ? entries[i + 1].local : directory.begin;
    const auto data = reader.data_of(entries[i], std::min(limit, directory.begin));
    if (!records_.emplace(entries[i].name, Record{data, entries[i].method, entries[i].sum}).second)
      fail(path, ": ", in_quotes(entries[i].name), ": expected one record of this name, found two");
  }
}

bool Archive::contains(std::string_view name) const { return records_.contains(root_ + std::string(name)); }

std::optional<std::span<const char>> Archive::find(std::string_view name) const {
  const auto found = records_.find(root_ + std::string(name));
  if (found == records_.end()) return std::nullopt;
  if (found->second.method != 0)
    fail(path_, ": ", in_quotes(found->first),
         ": expected a record as torch.save stores it, found one compressed by method ", found->second.method,
         ": pack it again without compression (zip -0)");
  return found->second.data;
}

std::optional<std::span<const char>> Archive::find_checked(std::string_view name) const {
  const auto data = find(name);
  if (!data) return data;
  const uint32_t expected = records_.find(root_ + std::string(name))->second.sum, found = loaders::crc32(*data);
  if (expected != 0 && found != expected)
    fail(path_, ": ", in_quotes(name), ": expected bytes with the CRC ", expected, ", found those of ", found,
         ": the file is damaged, download or copy it again");
  return data;
}

}  // namespace gpt2run::torch
