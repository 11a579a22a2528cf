// The functions of Tokenizer that are the same for every file format.
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string text;
  for (const int32_t id : ids) text += piece(id);
  return text;
}

}  // namespace gpt2run
