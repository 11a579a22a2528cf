// Opening a tokenizer by what its path holds, and what no kind of file changes.
#include "gpt2run/tokenizer.hpp"

#include <filesystem>

#include "gpt2run/error.hpp"
#include "tokenizer_huggingface.hpp"

namespace gpt2run {

std::unique_ptr<Tokenizer> Tokenizer::open(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(status)) return make_bpe_tokenizer(read_huggingface_vocabulary(path));
  const bool nothing = status.type() == std::filesystem::file_type::not_found;
  const std::string found = nothing ? "nothing" : error ? error.message() : "a file of another kind";
  fail(path, ": expected a folder with vocab.json and merges.txt, found ", found);
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += piece(id);
  return text;
}

}  // namespace gpt2run
