// BpeModel: the contents of a tokenizer file of any format, after reading and checking: tokens, merges and special ids.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gpt2run {

struct Merge {
  int32_t left, right, result;  // ids
};

struct BpeModel {
  std::vector<std::string> pieces;    // the bytes of each id
  std::array<int32_t, 256> byte_ids;  // the id of each single byte
  std::vector<Merge> merges;          // in order of rank, without repeated pairs, fewer than 2^24
  std::vector<int32_t> special;       // ids that are searched for in a text before it is split, ascending
  int32_t end_of_text = -1;           // an id, or -1 if there is none
};

}  // namespace gpt2run
