#include "token_set.hpp"

#include "byte_letters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/select.hpp"

namespace gpt2run {

void TokenSet::add(const std::string& where, const std::string& token, int32_t id, const AddedSettings& settings) {
  const auto [known, added] = ids_.emplace(token, id);
  if (!added && known->second != id)
    fail(where, ": added token ", in_quotes(token), ": expected id ", known->second, " as in ", vocabulary_, ", found ",
         id);
  added_[id] = settings;
}

void TokenSet::mark(const std::string& token, const AddedSettings& settings) {
  const auto found = ids_.find(token);
  if (found != ids_.end()) added_.emplace(found->second, settings);
}

int32_t TokenSet::find(std::string_view token) const {
  const auto found = ids_.find(std::string(token));
  return found == ids_.end() ? -1 : found->second;
}

std::vector<SpecialToken> TokenSet::special() const {
  std::vector<SpecialToken> special;
  for (const auto& [id, settings] : added_) special.push_back({id, settings});
  return special;
}

std::vector<std::string> TokenSet::texts(const std::string& where) const {
  std::vector<std::string> texts;
  for (const auto& [token, id] : ids_) {
    if (token.empty()) fail(where, ": id ", id, ": expected a token of at least one byte, found none");
    if (static_cast<size_t>(id) >= texts.size()) texts.resize(static_cast<size_t>(id) + 1);
    std::string& text = texts[static_cast<size_t>(id)];
    if (!text.empty()) {
      const auto& [first, second] = std::minmax(text, token);
      fail(where, ": expected one token for each id, found ", id, " for ", in_quotes(first), " and ",
           in_quotes(second));
    }
    text = token;
  }
  return texts;
}

int32_t token_id(const std::string& where, std::string_view token, const json::Value& value) {
  const auto id = value.as_integer();
  if (!id || *id < 0 || *id >= kMaxVocab)
    fail(where, ": token ", in_quotes(token), ": expected an id from 0 to ", kMaxVocab - 1, ", found ",
         value.description());
  return static_cast<int32_t>(*id);
}

AddedSettings added_settings(const std::string& where, const json::Value& token, bool is_special) {
  const auto flag = [&](const char* name, bool otherwise) {
    const auto value = token.find(name);
    if (!value) return otherwise;
    const auto is_set = value->as_flag();
    if (!is_set)
      fail(where, ": added token ", in_quotes(token_content(token)), ": ", name, ": expected true or false, found ",
           value->description());
    return *is_set;
  };
  AddedSettings settings;
  settings.lstrip = flag("lstrip", false);
  settings.rstrip = flag("rstrip", false);
  settings.single_word = flag("single_word", false);
  settings.normalized = flag("normalized", !flag("special", is_special));
  return settings;
}

std::string token_content(const json::Value& token) {
  const json::Value content = token.find("content").value_or(token);
  return std::string(content.as_text().value_or(""));
}

BpeModel bpe_model(const std::string& where, const TokenSet& tokens) {
  BpeModel model;
  model.pieces = tokens.texts(where);
  if (model.pieces.empty()) fail(where, ": expected tokens, found none");
  model.special = tokens.special();
  model.warnings = tokens.warnings();
  for (size_t byte = 0; byte < 256; ++byte) model.byte_ids[byte] = tokens.find(byte_letters()[byte]);
  for (size_t id = 0; id < model.pieces.size(); ++id)
    if (!is_special(model, static_cast<int32_t>(id))) model.pieces[id] = bytes_of_letters(model.pieces[id]);
  return model;
}

}  // namespace gpt2run
