// What the metadata of a GGUF file says about the model.
#pragma once
#include "gpt2run/gguf/gguf.hpp"
#include "gpt2run/loader.hpp"

namespace gpt2run::gguf {

// Reads the settings of a model of the architecture gpt2. The width of the MLP is 4 C and epsilon 1e-5 where the file
// does not say them. tied_head is not set. A token that ends or begins a text but is beyond the vocabulary counts as
// none, and is logged. Throws Error naming the file, the key, what was expected and what was found; another
// architecture, a part of a model in several files, and settings that would change what is computed are refused by
// name.
ModelConfig read_settings(const Contents& contents, const Host& host);

}  // namespace gpt2run::gguf
