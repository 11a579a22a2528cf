// What sinks read of a run manifest. The one door to the JSON library in this room.
#pragma once
#include <string>
#include <string_view>

namespace gpt2run {

// The precision's type in upper case: "FP16" for cpu-fp16, and for a precision with the option type=fp16.
// "UNKNOWN" if the manifest names no precision.
std::string precision_type(std::string_view manifest_json);

}  // namespace gpt2run
