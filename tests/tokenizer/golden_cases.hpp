// The cases of tests/golden/tokenizer/ids.json: texts, and the ids on which Hugging Face tokenizers and tiktoken agree.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run::test {

extern const std::filesystem::path kShared;  // data beside the project, which may be missing

// The whole file.
const nlohmann::json& golden_ids();

// The text of a case, as it stands there or as it is made.
std::string text_of(const nlohmann::json& golden_case);

// The hash that stands in a case instead of many ids.
std::string fnv1a(const std::vector<int32_t>& ids);

// Checks the ids of one case, and that they decode to its text.
void check(const Tokenizer& tokenizer, const nlohmann::json& golden_case);

// The cases of one vocabulary that need a file beside the project, or those that need none.
std::vector<nlohmann::json> cases_of(const char* vocabulary, bool with_file);

// Checks them all, and returns how many there were.
size_t check_all(const Tokenizer& tokenizer, const char* vocabulary, bool with_file);

}  // namespace gpt2run::test
