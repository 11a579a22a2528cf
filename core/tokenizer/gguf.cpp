// The tokens in a GGUF file are spelled as in vocab.json, and the merges as in merges.txt.
#include "gguf.hpp"

#include <filesystem>
#include <unordered_map>

#include "byte_letters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/gguf/gguf.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/select.hpp"
#include "merge_list.hpp"

namespace gpt2run {
namespace {

constexpr size_t kFirstBytes = size_t{1} << 20;
constexpr const char* kTokenList = "tokenizer.ggml.tokens";

// Reads until `to` has this many bytes, or the file ends.
void read_up_to(InputFile& file, size_t size, std::string& to) {
  size_t at = to.size();
  to.resize(size);
  while (const size_t count = at < size ? file.read(to.data() + at, size - at) : 0) at += count;
  to.resize(at);
}

// Reads the part of the file before the tensors, which may be many gigabytes: a first piece, and while that is too
// little, twice as much. beginning: holds what the result points into.
gguf::Contents read_contents(const std::string& path, std::string& beginning) {
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error) fail(path, ": cannot be read: ", error.message());
  InputFile file(path);
  for (uint64_t part = kFirstBytes;; part *= 2) {
    const size_t wanted = std::min(part, size);
    read_up_to(file, wanted, beginning);
    if (beginning.size() < wanted) fail(path, ": expected ", size, " bytes, found ", beginning.size());
    if (auto contents = gguf::read(beginning, size, path)) return std::move(*contents);
  }
}

using TokenKind = gguf::TokenKind;

class VocabularyReader {
 public:
  explicit VocabularyReader(const gguf::Contents& contents) : contents_(contents), path_(contents.path) {}

  BpeModel read() {
    read_tokens();
    find_bytes();
    read_merges();
    return std::move(vocabulary_);
  }

 private:
  void read_tokens() {
    const auto tokens = contents_.texts(kTokenList).value();
    const auto kinds = contents_.integers("tokenizer.ggml.token_type");
    if (kinds && kinds->size() != tokens.size())
      fail(path_, ": tokenizer.ggml.token_type: expected ", tokens.size(), " entries, one for each token, found ",
           kinds->size());
    const int64_t end = gguf::end_of_text(contents_);
    const auto kind_of = [&](size_t id) {
      const auto kind = kinds ? static_cast<TokenKind>((*kinds)[id]) : TokenKind::normal;
      return kind == TokenKind::normal && static_cast<int64_t>(id) == end ? TokenKind::control : kind;
    };
    size_t count = tokens.size();
    while (count > 0 && kind_of(count - 1) == TokenKind::unused) --count;
    if (count < 256 || count > size_t{kMaxVocab})
      fail(path_, ": ", kTokenList, ": expected 256 to ", kMaxVocab, " tokens, found ", count);
    for (size_t id = 0; id < count; ++id) add(tokens[id], kind_of(id));
    if (end >= 0 && static_cast<size_t>(end) < count) vocabulary_.end_of_text = static_cast<int32_t>(end);
  }

  // Special tokens are plain text, and looked for in texts; all others are spelled in the byte alphabet.
  void add(std::string_view token, TokenKind kind) {
    const auto id = static_cast<int32_t>(vocabulary_.pieces.size());
    if (token.empty())
      fail(path_, ": ", kTokenList, ": id ", id, ": expected a token of at least one byte, found none");
    const bool special = kind == TokenKind::control || kind == TokenKind::user_defined || kind == TokenKind::unknown;
    if (special) vocabulary_.special.push_back({id});
    if (const bool added = seen_[special].emplace(token, id).second; !added && kind != TokenKind::unused)
      fail(path_, ": ", kTokenList, ": id ", id, ": expected every token once, found ", in_quotes(token), " as id ",
           seen_[special].at(token), " too");
    vocabulary_.pieces.push_back(special ? std::string(token) : bytes_of_letters(token));
    if (!special || !ids_.contains(std::string(token))) ids_[std::string(token)] = id;
  }

  void find_bytes() {
    for (size_t byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(byte_letters()[byte]);
      if (found == ids_.end())
        fail(path_, ": ", kTokenList, ": expected a token for each of the 256 bytes, found none for byte ", byte, " (",
             in_quotes(byte_letters()[byte]), ")");
      vocabulary_.byte_ids[byte] = found->second;
    }
  }

  void read_merges() {
    const std::string where = path_ + ": tokenizer.ggml.merges";
    MergeList merges(ids_, kTokenList, "merge");
    size_t number = 0;
    for (const std::string_view merge : contents_.texts("tokenizer.ggml.merges").value_or(Texts())) {
      ++number;
      merges.add(where + ": merge " + std::to_string(number), number, merge);
    }
    vocabulary_.merges = merges.finish(where, vocabulary_);
  }

  using Texts = std::vector<std::string_view>;

  const gguf::Contents& contents_;
  const std::string& path_;
  TokenIds ids_;                                           // keyed by the tokens as the file spells them
  std::unordered_map<std::string_view, int32_t> seen_[2];  // ordinary and special tokens, which are spelled differently
  BpeModel vocabulary_;
};

}  // namespace

bool is_gguf(const std::string& path) {
  if (!is_file(path)) return false;
  std::string magic;
  InputFile file(path);
  read_up_to(file, gguf::kMagic.size(), magic);
  return magic == gguf::kMagic;
}

BpeModel read_gguf_vocabulary(const std::string& path) {
  std::string beginning;
  const gguf::Contents contents = read_contents(path, beginning);
  if (const std::string problem = gguf::tokenizer_problem(contents); !problem.empty())
    fail(path, ": expected a tokenizer in the file, but ", problem);
  return VocabularyReader(contents).read();
}

}  // namespace gpt2run
