#include "added_tokens.hpp"

#include <algorithm>

#include "characters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "text_tables.hpp"

namespace gpt2run {
namespace {

bool is_white(uint32_t code) { return (traits_of(code) & trait::kWhite) != 0; }
bool is_word(uint32_t code) { return (traits_of(code) & trait::kWord) != 0; }

constexpr size_t kLongest = 1000;  // a longer one is a mistake in the file, and its bytes would take memory

// Throws Error for a text that is too long.
std::vector<std::string> texts_of(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> texts;
  for (const AddedToken& token : tokens) {
    if (token.text.size() > kLongest)
      fail("token ", token.id, ": expected a special token of at most ", kLongest, " bytes, found ", token.text.size(),
           ": ", in_quotes(token.text));
    texts.push_back(token.text);
  }
  return texts;
}

// Where the white space before `at` begins, but not before `limit`.
size_t white_before(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const Character character = character_before(text, at);
    if (!is_white(character.code)) break;
    at -= character.bytes;
  }
  return std::max(at, limit);
}

// Finds where white space ends, for places from left to right. It looks at no character twice.
class WhiteBehind {
 public:
  explicit WhiteBehind(std::string_view text) : text_(text) {}

  size_t end(size_t at) {
    if (at >= begin_ && at < end_) return end_;
    begin_ = end_ = at;
    while (end_ < text_.size()) {
      const Character character = character_at(text_, end_);
      if (!is_white(character.code)) break;
      end_ += character.bytes;
    }
    return end_;
  }

 private:
  std::string_view text_;
  size_t begin_ = 0, end_ = 0;
};

bool is_alone(std::string_view text, size_t begin, size_t end) {
  return (begin == 0 || !is_word(character_before(text, begin).code)) &&
         (end == text.size() || !is_word(character_at(text, end).code));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), search_(texts_of(tokens_)) {}

void AddedTokens::split(std::string_view text, const std::function<void(size_t, size_t)>& plain,
                        const std::function<void(int32_t)>& token) const {
  WhiteBehind white_behind(text);
  size_t done = 0, at = 0;
  const std::vector<TextSearch::Match> matches = search_.find(text);
  for (auto match = matches.rbegin(); match != matches.rend(); ++match) {
    if (match->begin < at) continue;  // within the token before
    const AddedToken& found = tokens_[match->text];
    size_t begin = match->begin, end = begin + found.text.size();
    at = end;
    if (found.settings.single_word && !is_alone(text, begin, end)) continue;
    // White space may have been taken by the token before: all that is left to this one, and then it does not count.
    if (found.settings.lstrip) begin = white_before(text, begin, done);
    if (found.settings.rstrip) end = white_behind.end(end);
    if (done < begin) plain(done, begin);
    if (begin < end) token(found.id);
    done = end;
  }
  if (done < text.size()) plain(done, text.size());
}

}  // namespace gpt2run
