// What all tokenizer files have in common once they are read and checked: tokens, merges and special ids.
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
  std::vector<std::string> pieces;    // bytes of every id
  std::array<int32_t, 256> byte_ids;  // id of every single byte
  std::vector<Merge> merges;          // in order of rank, every pair once, fewer than 2^24
  std::vector<int32_t> special;       // ids whose pieces are found in a text before it is split
  int32_t end_of_text = -1;           // id, -1: none
};

}  // namespace gpt2run
