// A prompt as the programs hand it to generate() and to sinks.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpt2run {

struct Prompt {
  std::string text;             // as the user gave it; empty when only ids are known
  std::vector<int32_t> tokens;  // never empty: no prompt is the end-of-text token
  std::string id = {};          // the user's name for it, which the manifest carries to the sinks; may be empty
  std::string origin = {};      // where it stands, for messages: "prompts.txt:12"; may be empty
};

}  // namespace gpt2run
