// Files of prompts in their three formats, which docs/formats.md describes: a line each, a JSON object each, a row
// each.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpt2run {

// A prompt as it was written down: a text, or tokens.
struct WrittenPrompt {
  std::string origin;           // for messages: "prompts.txt:12", "--prompt"
  std::string text, id;         // id: the name that its results carry, may be empty
  std::vector<int32_t> tokens;  // not empty: what counts, and there is no text
};

struct PromptRows {
  int64_t t;        // tokens of a row of a prompt set, 0: as its header says
  int32_t padding;  // the id that fills rows
};

struct PromptFile {
  std::vector<WrittenPrompt> prompts;  // never empty
  std::vector<std::string> warnings;   // of what was skipped
  bool is_set = false;                 // a prompt set: PromptRows were used
};

// The file of that name, else the files that match it as a pattern of the shell, in the order of their bytes. "-" is
// standard input. option: how the user named it, for messages. Throws Error when there is none.
std::vector<std::string> prompt_files(const std::string& pattern, const std::string& option = "--prompts");

// One of prompt_files(). Throws Error naming file and line, what was expected and what was found.
PromptFile read_prompt_file(const std::string& file, const PromptRows& rows, const std::string& option = "--prompts");

}  // namespace gpt2run
