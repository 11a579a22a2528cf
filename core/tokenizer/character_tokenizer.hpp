// A tokenizer whose tokens are characters, as models have it that learned to write letter by letter.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// The contents of the file, after reading and checking.
struct CharacterModel {
  std::vector<std::string> characters;  // by id, each one well-formed character; empty for an id without one
};

// Makes a tokenizer without special tokens and without an end of text. encode() throws Error for the first character
// that has no id.
std::unique_ptr<Tokenizer> make_character_tokenizer(CharacterModel model);

}  // namespace gpt2run
