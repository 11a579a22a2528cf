// Reads and checks the header of a checkpoint.
#include "header.hpp"

#include <bit>
#include <cstring>
#include <string_view>

#include "../common/first_bytes.hpp"
#include "../common/limits.hpp"

namespace gpt2run::llmc {
namespace {

static_assert(std::endian::native == std::endian::little, "llm.c's files are little-endian and used where they lie");

constexpr int64_t kMaxPaddedVocab = int64_t{1} << 20;

enum Field { kMagicField, kVersion, kMaxT, kVocab, kLayers, kHeads, kChannels, kPaddedVocab, kFields };

// A remark about other files of llm.c that could be mistaken for a checkpoint, or "".
std::string_view known_magic(uint32_t word) {
  if (word == byte_swapped(kMagic))
    return " (a checkpoint in big-endian order: write it again on a little-endian machine)";
  if (word == 20240327) return " (llm.c's debug state: give the checkpoint that was written with it)";
  if (word == 20240328) return " (llm.c's tokenizer: give the checkpoint)";
  if (word == 20240520) return " (llm.c's token data)";
  return "";
}

Type read_type(const std::string& path, int32_t found) {
  if (found == 3) return Type::f32;
  if (found == 5) return Type::bf16;
  const bool old = found == 1 || found == 2 || found == 4;
  fail(path, ": version: expected 3 (FP32) or 5 (BF16), found ", found,
       old ? ", of an older llm.c: write the checkpoint again with a current one" : "");
}

}  // namespace

Header read_header(const loaders::MappedFile& file) {
  const std::string& path = file.path();
  const auto bytes = static_cast<int64_t>(file.bytes().size());
  uint32_t magic = 0;
  if (bytes >= 4) std::memcpy(&magic, file.bytes().data(), 4);
  if (bytes >= 4 && magic != kMagic) {
    fail(path, ": magic: expected ", kMagic, ", found ", magic, known_magic(magic));
  }
  if (bytes < kHeaderBytes) fail(path, ": expected a header of ", kHeaderBytes, " bytes, found ", bytes);
  int32_t fields[kFields];
  std::memcpy(fields, file.bytes().data(), sizeof fields);
  const auto size = [&](const char* name, Field field, int64_t most) {
    return loaders::checked_size(path, name, fields[field], most);
  };
  Header header{};
  header.type = read_type(path, fields[kVersion]);
  ModelConfig& m = header.model;
  m.T = size("max T", kMaxT, loaders::kMaxContext);
  m.V = size("V", kVocab, kMaxVocab);
  m.L = size("L", kLayers, loaders::kMaxLayers);
  m.H = size("H", kHeads, loaders::kMaxWidth);
  m.C = size("C", kChannels, loaders::kMaxWidth / 4);
  loaders::check_heads(path, "H", m);
  header.padded_vocab = size("padded V", kPaddedVocab, kMaxPaddedVocab);
  if (header.padded_vocab < m.V) {
    fail(path, ": padded V: expected at least V, which is ", m.V, ", found ", header.padded_vocab);
  }
  m.F = 4 * m.C;
  m.epsilon = 1e-5f;
  m.end_of_text = m.V - 1;
  m.tied_head = true;
  return header;
}

uint32_t first_word(const std::string& path) {
  const std::string bytes = loaders::first_bytes(path, sizeof(uint32_t));
  uint32_t word = 0;
  if (bytes.size() == sizeof word) std::memcpy(&word, bytes.data(), sizeof word);
  return word;
}

}  // namespace gpt2run::llmc
