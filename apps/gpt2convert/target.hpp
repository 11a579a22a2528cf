// Writers for the formats to which a model can be converted. Each adds its files to the set without publishing them.
// Throws Error for a property of the model that the format cannot represent, naming it, and for a finite value that
// overflows in the type.
#pragma once
#include <filesystem>
#include <optional>
#include <vector>

#include "gpt2run/gguf/gguf.hpp"
#include "gpt2run/loader.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "output_set.hpp"

namespace gpt2run::convert {

// type: the type of every tensor, or none to keep those of the model, which may be mixed. tokenizer: the tokenizer's
// files, or none.

// Hugging Face's layout: config.json, model.safetensors and the tokenizer's files in `folder`.
void write_huggingface(OutputSet& files, const std::filesystem::path& folder, const Checkpoint& model,
                       std::optional<Type> type, const std::vector<TokenizerFile>& tokenizer);

// An llm.c checkpoint, of version 3 (FP32) or 5 (BF16), with the tokenizer's file beside it.
void write_llmc(OutputSet& files, const std::filesystem::path& file, const Checkpoint& model, std::optional<Type> type,
                const std::vector<TokenizerFile>& tokenizer);

// A GGUF file of version 3 with the tokenizer in it, as llama.cpp's converter lays it out. type: of the matrices but
// the position embedding: f32, f16, bf16 or q8_0, or none to keep their own. All other tensors are FP32. tokenizer:
// null if there is none.
void write_gguf(OutputSet& files, const std::filesystem::path& file, const Checkpoint& model,
                std::optional<gguf::TensorType> type, const TokenTable* tokenizer);

}  // namespace gpt2run::convert
