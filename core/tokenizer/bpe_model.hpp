// BpeModel: the contents of a tokenizer file of any format, after reading and checking: tokens, merges, special ids and
// settings.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "added_tokens.hpp"

namespace gpt2run {

// The end of text, as GPT-2 spells it.
inline constexpr char kEndOfText[] = "<|endoftext|>";

struct Merge {
  int32_t left, right, result;  // ids
};

// A token that is searched for in a text before it is split.
struct SpecialToken {
  int32_t id;
  AddedSettings settings = {};
};

struct BpeModel {
  std::vector<std::string> pieces;    // the bytes of each id; empty for an id without a token
  std::array<int32_t, 256> byte_ids;  // the id of each single byte, or -1 if it has none
  std::vector<Merge> merges;          // in order of rank, without repeated pairs, fewer than 2^24
  std::vector<SpecialToken> special;  // ascending ids
  int32_t end_of_text = -1;           // an id, or -1 if there is none

  int32_t unknown = -1;           // the token of bytes without an id, or -1 if they are an error
  bool fuse_unknown = false;      // several such bytes in a row are one token
  bool ignore_merges = false;     // a piece that is a token becomes it, whatever its bytes would merge into
  bool add_prefix_space = false;  // a blank is put before each text between special tokens that does not begin with one
  bool use_pattern = true;        // text is split by GPT-2's pattern before it is merged
  std::vector<int32_t> beginning;          // ids that are put before every text
  std::vector<std::string> warnings = {};  // what the files name and the model leaves out
};

// Whether an id is a special token.
bool is_special(const BpeModel& model, int32_t id);

// Tokenizer::ordinary_size() of these tokens by id; empty ones are no tokens. special: ascending ids.
int32_t ordinary_size(const std::vector<std::string>& tokens, const std::vector<SpecialToken>& special);

}  // namespace gpt2run
