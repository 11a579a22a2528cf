// GPT-2's byte-level BPE: text <-> token ids, exact on all of Unicode and on special tokens. Immutable after open():
// use it from any thread.
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

  // Opens a path by content: a folder with vocab.json and merges.txt, or llm.c's tokenizer file. Throws Error naming
  // file, expected and found.
  static std::unique_ptr<Tokenizer> open(const std::string& path);

  // special: special tokens in the text become their ids, as Hugging Face does; false: they are text like any other.
  // Never throws on bytes: text that is not UTF-8 is split as documented in docs/formats.md and decodes to the same
  // bytes.
  virtual std::vector<int32_t> encode(std::string_view text, bool special = true) const = 0;

  // The bytes of one token, which may be a part of a UTF-8 sequence. Throws Error if id is not in [0, size()).
  virtual std::string_view piece(int32_t id) const = 0;

  virtual int32_t size() const = 0;         // number of ids
  virtual int32_t end_of_text() const = 0;  // id, -1: none

  std::string decode(std::span<const int32_t> ids) const;
};

// A tokenizer in files of one format. llmc: gpt2_tokenizer.bin, which llm.c keeps beside a checkpoint.
enum class TokenizerFormat : uint8_t { huggingface, llmc };

struct TokenizerFile {
  std::string name, bytes;  // name: without a folder
};

// The tokenizer at path in a format: copies of its files if they are in that format. Throws Error as Tokenizer::open
// does, and for what the format cannot say (docs/formats.md).
std::vector<TokenizerFile> tokenizer_files(const std::string& path, TokenizerFormat format);

}  // namespace gpt2run
