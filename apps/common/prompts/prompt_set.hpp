// Prompt sets: one binary file of token ids in rows of equal length, each prompt padded to the row's end. Numbers are
// little-endian. 256 int32 of header: the magic number, version 1, the number of tokens, and the row's length T, or 0
// where another program wrote the file; then the tokens, uint16.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

struct PromptSet {
  struct Row {
    int64_t number;               // from 1
    std::vector<int32_t> tokens;  // without the padding; never empty
  };
  std::vector<Row> rows;
  std::vector<int64_t> empty;  // numbers of rows that are only padding
};

// The magic number stands at the front.
bool is_prompt_set(std::string_view bytes);

// file: for messages. t: tokens of a row, 0: as the header says. padding: the id that fills rows. Throws Error naming
// what was expected and found; UsageError when the row's length is known to nobody, or is not the given one.
PromptSet read_prompt_set(const std::string& file, std::string_view bytes, int64_t t, int32_t padding);

// The file's bytes. Rows have 1 to t tokens below 65536, none of them the padding.
std::string prompt_set_bytes(std::span<const std::vector<int32_t>> rows, int32_t t, int32_t padding);

}  // namespace gpt2run
