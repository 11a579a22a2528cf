// Byte-pair encoding over any vocabulary: what all tokenizer files have in common once they are read and checked.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

struct Merge {
  int32_t left, right, result;  // ids
};

struct Vocabulary {
  std::vector<std::string> pieces;    // bytes of every id
  std::array<int32_t, 256> byte_ids;  // id of every single byte
  std::vector<Merge> merges;          // in order of rank, every pair once, fewer than 2^24
  std::vector<int32_t> special;       // ids whose pieces are found in a text before it is split
  int32_t end_of_text = -1;           // id, -1: none
};

// All ids in the vocabulary must be in range: readers of files check them.
std::unique_ptr<Tokenizer> make_bpe_tokenizer(Vocabulary vocabulary);

}  // namespace gpt2run
