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

  // Opens a path by content: a folder with vocab.json and merges.txt. Throws Error naming file, expected and found.
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

}  // namespace gpt2run
