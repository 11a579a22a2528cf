// BertText: how BERT cleans a text and splits it into words, as Hugging Face tokenizers does it (BertNormalizer and
// BertPreTokenizer). Bytes that are not UTF-8 count as U+FFFD. Any thread.
#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace gpt2run {

struct BertText {
  bool clean = true;       // drops control characters, and makes blanks of all white space
  bool chinese = true;     // puts blanks around each Chinese character
  bool no_accents = true;  // decomposes characters and drops their marks
  bool lower_case = true;

  // The text as these settings make it. Marks that stay keep their order.
  std::string normalized(std::string_view text) const;

  // Calls word(part) for each word: what stands between white space, each punctuation mark by itself.
  static void each_word(std::string_view text, const std::function<void(std::string_view)>& word);
};

}  // namespace gpt2run
