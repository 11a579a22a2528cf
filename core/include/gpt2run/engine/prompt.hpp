// A prompt, as programs pass it to generate() and to sinks.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace gpt2run {

struct Prompt {
  std::string text;             // as the user gave it; empty if only ids are known
  std::vector<int32_t> tokens;  // never empty: an empty prompt is the start-of-text token
  std::string id = {};          // the user's name for it, which sinks find in the manifest; may be empty
  std::string origin = {};      // where it came from, for messages, such as "prompts.txt:12"; may be empty
  bool number_id = false;       // id is a whole number in JSON, and results have it as one
};

}  // namespace gpt2run
