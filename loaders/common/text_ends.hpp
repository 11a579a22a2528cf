// The tokens that begin and end a text, from config.json and generation_config.json.
#pragma once
#include <string>

#include "gpt2run/json/json.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::loaders {

// Sets end_of_text, other_ends and start_of_text of a model whose V is known, by eos_token_id, which is an id or a list
// of ids, and bos_token_id. As in transformers, those of generation_config.json beside `path` come before those of
// `config`; a setting that `config` does not have at all is GPT-2's 50256, in vocabularies that reach so far. A list
// ends a text at any of its ids. An id beyond the vocabulary counts as none, and is logged; so is a
// generation_config.json that cannot be read. path: the path of config.json. Throws Error for ids that are no whole
// numbers, and for more than kMostEnds.
void read_text_ends(const std::string& path, const json::Value& config, ModelConfig& model, const Host& host);

}  // namespace gpt2run::loaders
