// The post-processor of tokenizer.json: which ids it puts before a text.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/json/value.hpp"

namespace gpt2run {

// The ids that stand before a single text. Those behind it are left out, because a prompt is there to be continued.
// where: the file. size: the number of ids. Throws Error, and UnreadTokenizer for kinds that are not read.
std::vector<int32_t> tokens_before_text(const std::string& where, const json::Value& processor, int32_t size);

}  // namespace gpt2run
