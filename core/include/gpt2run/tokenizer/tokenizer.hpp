// GPT-2's byte-level BPE tokenizer: text to token ids and back, exact for all of Unicode and for special tokens. A
// tokenizer is immutable and may be used from any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Opens the tokenizer at a path, whose content decides on the format: a folder with vocab.json and merges.txt, a GGUF
  // file, of which only the metadata is read, or llm.c's tokenizer file. Throws Error with the file, what was expected
  // and what was found.
  static std::unique_ptr<Tokenizer> open(const std::string& path);

  // special: true turns special tokens in the text into their ids, as Hugging Face does; false treats them as ordinary
  // text. Accepts any bytes: text that is not UTF-8 is split as docs/formats.md says, and decodes to the same bytes.
  virtual std::vector<int32_t> encode(std::string_view text, bool special = true) const = 0;

  // The bytes of one token, possibly only part of a UTF-8 character. Throws Error if id is not in [0, size()).
  virtual std::string_view piece(int32_t id) const = 0;

  virtual int32_t size() const = 0;         // number of ids
  virtual int32_t end_of_text() const = 0;  // id, or -1 if there is none

  std::string decode(std::span<const int32_t> ids) const;
};

// The file formats of a tokenizer. llmc: gpt2_tokenizer.bin, which llm.c keeps beside a checkpoint.
enum class TokenizerFormat : uint8_t { huggingface, llmc };

struct TokenizerFile {
  std::string name, bytes;  // name: without folders
};

// Converts the tokenizer at `path` to a format. If it has that format already, its files are copied. Throws Error as
// Tokenizer::open does, and for a tokenizer that the format cannot express (docs/formats.md).
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

// Returns the table of the tokenizer at `path`. Throws Error as Tokenizer::open does.
TokenTable token_table(const std::string& path);

}  // namespace gpt2run
