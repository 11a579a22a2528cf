// Tokenizers of GPT-2 models: text to token ids and back. That of GPT-2 itself is byte-level BPE, exact for all of
// Unicode and for special tokens; some models have BERT's WordPiece, or one token for each character. A tokenizer is
// immutable and may be used from any
// thread.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gpt2run/error.hpp"

namespace gpt2run {

// Thrown for a tokenizer that is there but not read: one of a kind, or with a setting, that is not known here, or whose
// file has not been downloaded. The line names it. A model can be used without it, by token ids.
struct [[gnu::visibility("default")]] UnreadTokenizer : Error {
  using Error::Error;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Opens the tokenizer at a path, whose content decides on the format: a folder with Hugging Face's files
  // (docs/formats.md lists them) or its tokenizer.json, a GGUF file, of which only the metadata is read, nanoGPT's
  // meta.pkl or a folder with it, or llm.c's tokenizer file. Throws Error with the file, what was expected and what was
  // found, and UnreadTokenizer.
  static std::unique_ptr<Tokenizer> open(const std::string& path);

  // special: true turns special tokens in the text into their ids, as Hugging Face does; false treats them as ordinary
  // text. Ids that the tokenizer puts before every text, as a beginning of text, come first. Accepts any bytes: text
  // that is not UTF-8 is split as docs/formats.md says, and decodes to the same bytes, if the tokenizer has tokens for
  // all bytes. Throws Error for a byte, or a word, that no token stands for.
  virtual std::vector<int32_t> encode(std::string_view text, bool special = true) const = 0;

  // The bytes of one token behind others, possibly only part of a UTF-8 character, and none for an id without a token.
  // Throws Error if id is not in [0, size()).
  virtual std::string_view piece(int32_t id) const = 0;

  virtual int32_t size() const = 0;  // number of ids: the highest and one
  // The same without the added and special tokens behind the last ordinary one. A model that was not made larger for
  // such tokens can be used with the tokenizer, as long as no text has one of them.
  virtual int32_t ordinary_size() const { return size(); }
  virtual int32_t end_of_text() const = 0;  // id, or -1 if there is none

  // What its files name and this tokenizer leaves out, a line for each.
  virtual std::vector<std::string> warnings() const { return {}; }

  // The text of ids: their pieces one behind the other. WordPiece leaves out the blank before the first.
  virtual std::string decode(std::span<const int32_t> ids) const;
};

// The names of the files that a folder's tokenizer may be written in, as gpt2convert writes them.
inline constexpr const char* kHuggingfaceTokenizerNames[] = {
    "tokenizer.json",        "vocab.json", "merges.txt", "vocab.txt", "added_tokens.json", "special_tokens_map.json",
    "tokenizer_config.json", "meta.pkl"};

// What a model's folder, or that of its file, has instead of a tokenizer that is read, as "spiece.model, a model of
// SentencePiece, which is not read". Empty if there is nothing of the kind, and for a path that is not there. Does not
// throw.
std::string no_tokenizer_reason(const std::string& path);

// The file formats of a tokenizer. llmc: gpt2_tokenizer.bin, which llm.c keeps beside a checkpoint.
enum class TokenizerFormat : uint8_t { huggingface, llmc };

struct TokenizerFile {
  std::string name, bytes;  // name: without folders
};

// Converts the tokenizer at `path` to a format. If it has that format already, its files are copied, and so is
// meta.pkl, which stands beside Hugging Face's files. Throws Error as Tokenizer::open does, and for a tokenizer that
// the format cannot express (docs/formats.md): UnreadTokenizer for a table of characters.
std::vector<TokenizerFile> tokenizer_files(const std::string& path, TokenizerFormat format);

// The tokens and merges of a tokenizer as most files spell them: ordinary tokens in GPT-2's byte alphabet
// (docs/formats.md), special ones in plain text.
struct TokenTable {
  struct Token {
    std::string text;
    bool special;
  };
  std::vector<Token> tokens;        // by id
  std::vector<std::string> merges;  // in order of rank, "left right"
  int32_t end_of_text;              // id, or -1 if there is none
};

// Returns the table of the tokenizer at `path`. Throws Error as Tokenizer::open does, and as tokenizer_files().
TokenTable token_table(const std::string& path);

}  // namespace gpt2run
