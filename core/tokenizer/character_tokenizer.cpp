#include "character_tokenizer.hpp"

#include <unordered_map>

#include "characters.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

class CharacterTokenizer final : public Tokenizer {
 public:
  explicit CharacterTokenizer(CharacterModel model) : characters_(std::move(model.characters)) {
    for (size_t id = 0; id < characters_.size(); ++id)
      if (!characters_[id].empty()) ids_.emplace(characters_[id], static_cast<int32_t>(id));
  }

  std::vector<int32_t> encode(std::string_view text, bool) const override {
    std::vector<int32_t> ids;
    for (size_t at = 0; at < text.size();) {
      const std::string_view character = text.substr(at, character_at(text, at).bytes);
      const auto found = ids_.find(character);
      if (found == ids_.end())
        fail("the text: expected characters that the tokenizer has, found ", in_quotes(character), " at byte ", at + 1,
             ", which has no id");
      ids.push_back(found->second);
      at += character.size();
    }
    return ids;
  }

  std::string_view piece(int32_t id) const override {
    if (id < 0 || id >= size()) fail("token id: expected 0 to ", size() - 1, ", found ", id);
    return characters_[static_cast<size_t>(id)];
  }

  int32_t size() const override { return static_cast<int32_t>(characters_.size()); }
  int32_t end_of_text() const override { return -1; }

 private:
  std::vector<std::string> characters_;
  std::unordered_map<std::string_view, int32_t> ids_;  // of characters_
};

}  // namespace

std::unique_ptr<Tokenizer> make_character_tokenizer(CharacterModel model) {
  return std::make_unique<CharacterTokenizer>(std::move(model));
}

}  // namespace gpt2run
