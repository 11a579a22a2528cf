// AddedTokens: cuts tokens out of a text that are looked for before it is tokenized, as Hugging Face tokenizers does.
// Any thread.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text_search.hpp"

namespace gpt2run {

// How an added token is looked for.
struct AddedSettings {
  bool lstrip = false, rstrip = false;  // the white space before it, behind it, belongs to it
  bool single_word = false;             // not where a letter, digit, mark or underscore stands beside it
  bool normalized = false;              // looked for in the text that a normalizer made, after all others
};

struct AddedToken {
  std::string text;
  int32_t id;
  AddedSettings settings;
};

class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Goes through a text from left to right: calls plain(begin, end) for each stretch of other text, which is never
  // empty, and token(id) for each token. Where several tokens begin at one place, the longest counts. It takes the time
  // of the text's length, whatever the tokens are.
  void split(std::string_view text, const std::function<void(size_t, size_t)>& plain,
             const std::function<void(int32_t)>& token) const;

 private:
  std::vector<AddedToken> tokens_;
  TextSearch search_;  // for the texts of tokens_
};

}  // namespace gpt2run
