// The table of a TensorFlow checkpoint: the file NAME.index, which maps keys to values. It is a table of LevelDB with
// another magic number: blocks of entries whose keys leave out what they share with the key before, an index of the
// blocks, and a footer.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "../common/mapped_file.hpp"

namespace gpt2run::tensorflow {

// Reads numbers and pieces from bytes, up to their end.
class Cursor {
 public:
  // where: for messages.
  Cursor(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  bool is_at_end() const { return bytes_.empty(); }
  // Each throws Error where the bytes end before the value does.
  uint64_t varint();  // seven bits a byte, the lowest first
  uint32_t fixed32();
  std::string_view piece(uint64_t size);
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  std::string_view bytes_;
  std::string where_;
};

// The sum of some bytes (CRC-32C) as the format stores it.
uint32_t masked_sum(std::span<const char> bytes);

// Every entry of the table, by its key. The values lie in the file. Throws Error for a file of another kind, a damaged
// one, and one whose blocks are compressed.
std::map<std::string, std::string_view> read_table(const loaders::MappedFile& file);

}  // namespace gpt2run::tensorflow
