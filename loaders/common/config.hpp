// The reader of config.json. It refuses every setting that would change the arithmetic in a way that is not supported.
#pragma once
#include <optional>
#include <string>

#include "gpt2run/loader.hpp"

namespace gpt2run::loaders {

// What config.json tells.
struct FolderConfig {
  ModelConfig model;
  bool tied;                      // tie_word_embeddings
  std::optional<Type> quantised;  // i8 or u4: the type of the layers' matrices, by quantization_config
};

// Missing settings have the defaults of transformers; sizes that are missing are logged. Without model_type the file is
// taken as one of GPT-2 if it has GPT-2's settings, which is logged. generation_config.json beside it is read for its
// tokens (text_ends.hpp). Throws Error naming the file, the setting, what was expected and what was found.
FolderConfig read_config(const std::string& path, const Host& host);

}  // namespace gpt2run::loaders
