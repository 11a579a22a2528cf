// The texts of token ids, as sinks and listeners see them.
#pragma once
#include "gpt2run/sink.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"

namespace gpt2run {

// A tokenizer as a Vocabulary. A model may have more ids than its tokenizer; the text of those is empty.
class TokenizerVocabulary final : public Vocabulary {
 public:
  explicit TokenizerVocabulary(const Tokenizer* tokenizer) : tokenizer_(tokenizer) {}  // not owned, may be null

  std::string_view piece(int32_t id) const override {
    return tokenizer_ && id >= 0 && id < tokenizer_->size() ? tokenizer_->piece(id) : std::string_view();
  }
  const Vocabulary* pointer() const { return tokenizer_ ? this : nullptr; }

 private:
  const Tokenizer* tokenizer_;
};

}  // namespace gpt2run
