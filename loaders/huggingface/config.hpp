// config.json: the shape of the model, and a refusal of every setting that would change the arithmetic.
#pragma once
#include <string>

#include "gpt2run/loader.hpp"

namespace gpt2run::huggingface {

struct FolderConfig {
  ModelConfig model;
  bool tied;  // tie_word_embeddings
};

// Missing settings have transformers' defaults, except the shape, which must be there, and eos_token_id (none: -1).
// Throws Error naming file, setting, expected and found.
FolderConfig read_config(const std::string& path);

}  // namespace gpt2run::huggingface
