// Reads and writes llm.c's tokenizer file.
#include "llmc.hpp"

#include <bit>
#include <cstring>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/select.hpp"
#include "merge.hpp"

namespace gpt2run {
namespace {

static_assert(std::endian::native == std::endian::little, "llm.c's files are little-endian");

constexpr size_t kHeaderWords = 256, kHeaderBytes = kHeaderWords * sizeof(uint32_t);
constexpr size_t kMostTokenBytes = 255;

enum Field { kMagic, kVersion, kTokens, kEnd };

std::vector<std::string> read_pieces(const std::string& path, std::string_view bytes, size_t tokens) {
  std::vector<std::string> pieces;
  size_t at = kHeaderBytes;
  for (size_t id = 0; id < tokens; ++id) {
    const size_t length = at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0;
    if (at >= bytes.size() || length > bytes.size() - at - 1) {
      fail(path, ": expected ", tokens, " tokens, found the file's end in token ", id);
    }
    if (length == 0) fail(path, ": token ", id, ": expected at least one byte, found none");
    pieces.emplace_back(bytes.substr(at + 1, length));
    at += 1 + length;
  }
  if (at != bytes.size()) fail(path, ": expected ", at, " bytes for ", tokens, " tokens, found ", bytes.size());
  return pieces;
}

void find_bytes(const std::string& path, BpeModel& vocabulary) {
  vocabulary.byte_ids.fill(-1);
  for (size_t id = vocabulary.pieces.size(); id-- > 0;) {
    const std::string& piece = vocabulary.pieces[id];
    if (piece.size() == 1) vocabulary.byte_ids[static_cast<uint8_t>(piece[0])] = static_cast<int32_t>(id);
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (vocabulary.byte_ids[byte] < 0) {
      fail(path, ": expected a token for each of the 256 bytes, found none for byte ", byte);
    }
  }
}

// Recovers the merges, whose ranks are in the order of ids. A token's merge joins the two tokens into which the merges
// of all lower ids turn its bytes. A token that they turn into one or into more than two tokens has no merge: it can be
// decoded, but encoding never produces it.
std::vector<Merge> recover_merges(const BpeModel& vocabulary) {
  Merger merger(vocabulary.byte_ids, vocabulary.pieces.size());
  Merger::Scratch scratch;
  std::vector<Merge> merges;
  std::vector<int32_t> parts;
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    if (piece.size() == 1 || static_cast<int32_t>(id) == vocabulary.end_of_text) continue;
    parts.clear();
    merger.merge(piece, scratch, parts);
    if (parts.size() != 2) continue;
    merges.push_back({parts[0], parts[1], static_cast<int32_t>(id)});
    merger.add(merges.back());
  }
  return merges;
}

int32_t find_end_of_text(const std::string& path, const uint32_t* header, const std::vector<std::string>& pieces) {
  if (header[kVersion] == 2) {
    if (header[kEnd] >= pieces.size()) {
      fail(path, ": end of text: expected an id below ", pieces.size(), ", found ", header[kEnd]);
    }
    return static_cast<int32_t>(header[kEnd]);
  }
  for (size_t id = pieces.size(); id-- > 0;) {
    if (pieces[id] == kEndOfText) return static_cast<int32_t>(id);
  }
  return -1;
}

bool same(const Merge& a, const Merge& b) { return a.left == b.left && a.right == b.right && a.result == b.result; }

// Throws Error unless a reader of the file would recover exactly the vocabulary's merges.
void check_merges(const std::string& path, const BpeModel& vocabulary) {
  const std::vector<Merge> told = recover_merges(vocabulary);
  const std::vector<Merge>& merges = vocabulary.merges;
  for (size_t rank = 0; rank < std::max(told.size(), merges.size()); ++rank) {
    if (rank < told.size() && rank < merges.size() && same(told[rank], merges[rank])) continue;
    fail(path, ": llm.c's tokenizer file: expected ids in the order of the merges, found another token at merge ",
         rank + 1, " of ", merges.size());
  }
}

}  // namespace

uint32_t first_word(std::string_view bytes) {
  uint32_t word = 0;
  if (bytes.size() >= sizeof word) std::memcpy(&word, bytes.data(), sizeof word);
  return word;
}

BpeModel read_llmc_vocabulary(const std::string& path, std::string_view bytes) {
  if (first_word(bytes) != kLlmcTokenizerMagic) {
    fail(path, ": magic: expected ", kLlmcTokenizerMagic, ", found ", first_word(bytes));
  }
  if (bytes.size() < kHeaderBytes) fail(path, ": expected a header of ", kHeaderBytes, " bytes, found ", bytes.size());
  uint32_t header[kHeaderWords];
  std::memcpy(header, bytes.data(), sizeof header);
  if (header[kVersion] != 1 && header[kVersion] != 2) {
    fail(path, ": version: expected 1 or 2, found ", header[kVersion]);
  }
  if (header[kTokens] < 256 || header[kTokens] > static_cast<uint32_t>(kMaxVocab)) {
    fail(path, ": number of tokens: expected 256 to ", kMaxVocab, ", found ", header[kTokens]);
  }
  BpeModel vocabulary;
  vocabulary.pieces = read_pieces(path, bytes, header[kTokens]);
  vocabulary.end_of_text = find_end_of_text(path, header, vocabulary.pieces);
  if (vocabulary.end_of_text >= 0) vocabulary.special.push_back({vocabulary.end_of_text});
  find_bytes(path, vocabulary);
  vocabulary.merges = recover_merges(vocabulary);
  return vocabulary;
}

std::string write_llmc_vocabulary(const std::string& path, const BpeModel& vocabulary) {
  const char* const file = ": llm.c's tokenizer file: ";
  if (vocabulary.end_of_text < 0) fail(path, file, "expected an end-of-text token, found none");
  for (const auto& [id, settings] : vocabulary.special) {
    if (id != vocabulary.end_of_text) {
      fail(path, file, "expected no special token but the end of text, found id ", id);
    }
  }
  uint32_t header[kHeaderWords] = {};
  header[kMagic] = kLlmcTokenizerMagic;
  header[kVersion] = 2;
  header[kTokens] = static_cast<uint32_t>(vocabulary.pieces.size());
  header[kEnd] = static_cast<uint32_t>(vocabulary.end_of_text);
  std::string bytes(reinterpret_cast<const char*>(header), sizeof header);
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    if (piece.size() > kMostTokenBytes) {
      fail(path, file, "expected tokens of at most ", kMostTokenBytes, " bytes, found ", piece.size(), " in id ", id);
    }
    bytes.push_back(static_cast<char>(piece.size()));
    bytes += piece;
  }
  check_merges(path, vocabulary);
  return bytes;
}

}  // namespace gpt2run
