// BERT's WordPiece, with its way of cleaning and splitting text, as models of Chinese text use it with GPT-2.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bert_text.hpp"
#include "bpe_model.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// The contents of the files, after reading and checking.
struct WordPieceModel {
  std::vector<std::string> tokens;    // by id, as the file spells them; empty for an id without a token
  std::vector<SpecialToken> special;  // ascending ids
  int32_t unknown = -1;               // the token of words that no tokens make up, or -1 if they are an error
  int32_t end_of_text = -1;           // an id, or -1 if there is none
  std::string prefix = "##";          // begins a token that goes on with a word
  size_t most_characters = 100;       // longer words are unknown
  BertText text;
  std::string shown_prefix = "##";  // a token that begins with it is shown without it and without a blank before it
  std::vector<std::string> warnings = {};  // what the files name and the model leaves out
  bool cleanup = true;                     // no blank is shown before . , ? ! and some contractions
};

// Makes a tokenizer. Its pieces begin with the blank that stands before a word; decode() leaves out the first one.
std::unique_ptr<Tokenizer> make_wordpiece_tokenizer(WordPieceModel model);

}  // namespace gpt2run
