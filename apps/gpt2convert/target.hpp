// What a model can be converted to. Each function adds the files to the set and publishes nothing; it throws Error for
// what the format cannot say, naming it, and for a finite value that the type cannot hold.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "gpt2run/loader.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "output_set.hpp"

namespace gpt2run::convert {

// type: of every tensor; none: as the model has them, and mixed where the model is. tokenizer: may be empty.

// A folder: config.json, model.safetensors and the tokenizer's files.
void write_huggingface(OutputSet& files, const std::filesystem::path& folder, const Checkpoint& model,
                       std::optional<Type> type, const std::vector<TokenizerFile>& tokenizer);

// A checkpoint file, version 3 or 5, and the tokenizer's file beside it.
void write_llmc(OutputSet& files, const std::filesystem::path& file, const Checkpoint& model, std::optional<Type> type,
                const std::vector<TokenizerFile>& tokenizer);

}  // namespace gpt2run::convert
