// The encoder takes the longest token that a word begins with, then the longest that its rest goes on with, and so on.
#include "wordpiece.hpp"

#include <utility>

#include "characters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "prefix_table.hpp"

namespace gpt2run {
namespace {

// The tokens that begin a word, or those that go on with one.
PrefixTable table_of(const WordPieceModel& model, bool going_on) {
  std::vector<PrefixTable::Entry> entries;
  for (size_t id = 0; id < model.tokens.size(); ++id) {
    const std::string& token = model.tokens[id];
    if (!going_on)
      entries.push_back({token, static_cast<int32_t>(id)});
    else if (token.starts_with(model.prefix))
      entries.push_back({token.substr(model.prefix.size()), static_cast<int32_t>(id)});
  }
  return PrefixTable(std::move(entries));
}

AddedTokens special_tokens(const WordPieceModel& model, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const auto& [id, settings] : model.special) {
    if (settings.normalized != normalized) continue;
    const std::string& token = model.tokens[static_cast<size_t>(id)];
    tokens.push_back({normalized ? model.text.normalized(token) : token, id, settings});
  }
  return AddedTokens(std::move(tokens));
}

void replace_all(std::string& text, std::string_view old, std::string_view by) {
  for (size_t at = 0; (at = text.find(old, at)) != text.npos; at += by.size()) text.replace(at, old.size(), by);
}

// As Hugging Face tokenizers cleans each token by itself.
std::string cleaned(std::string text) {
  constexpr std::string_view kPairs[][2] = {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
                                            {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
                                            {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [old, by] : kPairs) replace_all(text, old, by);
  return text;
}

class WordPieceTokenizer final : public Tokenizer {
 public:
  explicit WordPieceTokenizer(WordPieceModel model)
      : model_(std::move(model)),
        special_(special_tokens(model_, false)),
        normalized_special_(special_tokens(model_, true)),
        beginnings_(table_of(model_, false)),
        going_on_(table_of(model_, true)) {
    for (const auto& [id, settings] : model_.special) {
      std::string& token = model_.tokens[static_cast<size_t>(id)];
      if (settings.normalized) token = model_.text.normalized(token);  // it is shown as it was looked for
    }
    for (const std::string& token : model_.tokens) pieces_.push_back(token.empty() ? token : shown(token));
  }

  std::vector<int32_t> encode(std::string_view text, bool special) const override {
    std::vector<int32_t> ids;
    const auto add = [&](int32_t id) { ids.push_back(id); };
    const auto encode_part = [&](std::string_view part) {
      const std::string normalized = model_.text.normalized(part);
      const std::string_view view = normalized;
      if (!special) return encode_words(view, ids);
      normalized_special_.split(
          view, [&](size_t begin, size_t end) { encode_words(view.substr(begin, end - begin), ids); }, add);
    };
    if (special)
      special_.split(
          text, [&](size_t begin, size_t end) { encode_part(text.substr(begin, end - begin)); }, add);
    else
      encode_part(text);
    return ids;
  }

  std::string_view piece(int32_t id) const override {
    if (id < 0 || id >= size()) fail("token id: expected 0 to ", size() - 1, ", found ", id);
    return pieces_[static_cast<size_t>(id)];
  }

  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    bool is_first = true;
    for (const int32_t id : ids) {
      const std::string_view shown_piece = piece(id);
      if (shown_piece.empty()) continue;
      const std::string& token = model_.tokens[static_cast<size_t>(id)];
      text += !std::exchange(is_first, false) ? shown_piece : model_.cleanup ? cleaned(token) : token;
    }
    return text;
  }

  int32_t size() const override { return static_cast<int32_t>(pieces_.size()); }
  int32_t ordinary_size() const override { return gpt2run::ordinary_size(model_.tokens, model_.special); }
  int32_t end_of_text() const override { return model_.end_of_text; }
  std::vector<std::string> warnings() const override { return model_.warnings; }

 private:
  std::string shown(const std::string& token) const {
    const std::string& prefix = model_.shown_prefix;
    std::string text = !prefix.empty() && token.starts_with(prefix) ? token.substr(prefix.size()) : " " + token;
    return model_.cleanup ? cleaned(std::move(text)) : text;
  }

  void encode_words(std::string_view text, std::vector<int32_t>& ids) const {
    BertText::each_word(text, [&](std::string_view word) {
      const size_t before = ids.size();
      if (add_word(word, ids)) return;
      if (model_.unknown < 0)
        fail("the text: expected words that the tokenizer's tokens make up, or a token for unknown ones, found ",
             in_quotes(word));
      ids.resize(before);
      ids.push_back(model_.unknown);
    });
  }

  // Adds the tokens of a word. Returns false if it is unknown, with some of its tokens added.
  bool add_word(std::string_view word, std::vector<int32_t>& ids) const {
    size_t characters = 0;
    for (size_t at = 0; at < word.size(); at += character_at(word, at).bytes) ++characters;
    if (characters > model_.most_characters) return false;
    for (size_t at = 0; at < word.size();) {
      const PrefixTable::Entry* found = (at == 0 ? beginnings_ : going_on_).longest(word.substr(at));
      if (!found) return false;
      ids.push_back(found->value);
      at += found->text.size();
    }
    return true;
  }

  WordPieceModel model_;
  AddedTokens special_, normalized_special_;
  PrefixTable beginnings_, going_on_;
  std::vector<std::string> pieces_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_wordpiece_tokenizer(WordPieceModel model) {
  return std::make_unique<WordPieceTokenizer>(std::move(model));
}

}  // namespace gpt2run
