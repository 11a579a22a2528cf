// JSON for sinks: pieces of text to write, and what they read of a run manifest. The one door to the JSON library in
// this room.
#pragma once
#include <string>
#include <string_view>

namespace gpt2run {

// Appends the shortest decimal that reads back as the same float; null for NaN and infinity, which JSON cannot say.
void append_number(std::string& line, float value);
void append_number(std::string& line, double value);

// text as a JSON string; bytes that are not UTF-8 become U+FFFD.
std::string json_quoted(std::string_view text);

// The precision's type in upper case: "FP16" for cpu-fp16, and for a precision with the option type=fp16.
// "UNKNOWN" if the manifest names no precision.
std::string precision_type(std::string_view manifest_json);

}  // namespace gpt2run
