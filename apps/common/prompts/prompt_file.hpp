// Readers for prompt files in the three formats of docs/formats.md: one prompt per line of text, per JSON object, or
// per row of a binary prompt set.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpt2run {

// A prompt as the user wrote it: either text or token ids.
struct WrittenPrompt {
  std::string origin;           // for messages: "prompts.txt:12", "--prompt"
  std::string text, id;         // id: a name for the prompt that results repeat, or empty
  std::vector<int32_t> tokens;  // when not empty, text is empty
  bool number_id = false;       // the file has id as a number
};

// How a prompt set is to be read.
struct PromptRows {
  int64_t t;        // tokens per row; 0 for the number in the file's header
  int32_t padding;  // the token id that fills rows
};

// The content of one prompt file.
struct PromptFile {
  std::vector<WrittenPrompt> prompts;  // never empty
  std::vector<std::string> warnings;   // about empty prompts that were skipped
  bool is_set = false;                 // whether it was a prompt set, so that PromptRows applied
};

// The file of this name, or else the files that match it as a shell pattern, in byte order. "-" is standard input and
// stands for itself. option: how messages name it. Throws Error when there is no such file.
std::vector<std::string> prompt_files(const std::string& pattern, const std::string& option = "--prompts");

// Reads one of prompt_files(). Throws Error naming the file and the line, what was expected and what was found.
PromptFile read_prompt_file(const std::string& file, const PromptRows& rows, const std::string& option = "--prompts");

}  // namespace gpt2run
