// Prompt sets: binary files of token ids, with one prompt in each row, padded to the common length T. All numbers are
// little-endian. A header of 256 int32 begins with the magic number, version 1, the number of tokens in the file, and
// T, which is 0 in files of other programs. The tokens follow as uint16.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt2run {

// The prompts of a prompt set.
struct PromptSet {
  struct Row {
    int64_t number;               // counted from 1
    std::vector<int32_t> tokens;  // without the padding; never empty
  };
  std::vector<Row> rows;
  std::vector<int64_t> empty;  // the numbers of the rows that contain only padding
};

// Whether the bytes begin with the magic number.
bool is_prompt_set(std::string_view bytes);

// Parses a prompt set. file: its name for messages. t: tokens per row, or 0 for the number in the header. padding: the
// token id that fills rows. Throws Error naming what was expected and found, and UsageError when neither t nor the
// header tells the length of a row, or when they contradict each other.
PromptSet read_prompt_set(const std::string& file, std::string_view bytes, int64_t t, int32_t padding);

// The bytes of a prompt set with these prompts. Each has 1 to t tokens, all below 65536 and none of them the padding.
std::string prompt_set_bytes(std::span<const std::vector<int32_t>> rows, int32_t t, int32_t padding);

}  // namespace gpt2run
