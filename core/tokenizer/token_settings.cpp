#include "token_settings.hpp"

#include <set>
#include <utility>

#include "bpe_model.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "token_files.hpp"

namespace gpt2run {
namespace {

// Tokens by their ids, as texts: added_tokens_decoder of tokenizer_config.json.
void add_decoder(const std::string& where, const json::Value& decoder, TokenSet& tokens) {
  for (const auto& [key, token] : decoder.members()) {
    const std::string content = token_content(token);
    const auto id = json::try_parse(key);
    if (!id) fail(where, ": added token ", in_quotes(content), ": expected an id as its key, found ", in_quotes(key));
    tokens.add(where, content, token_id(where, content, id->root()), added_settings(where, token, false));
  }
}

}  // namespace

TokenSettings::TokenSettings(const std::filesystem::path& folder) : folder_(folder) {
  const auto config = folder / "tokenizer_config.json", map = folder / "special_tokens_map.json";
  if (is_there(config)) {
    config_ = read_token_json(config);
    const json::Value root = config_->root();
    read_names(config.string(), root);
    if (flag("split_special_tokens").value_or(false))
      fail(config.string(), ": split_special_tokens: expected false, found true: give --no-special for that");
    if (root.find("added_tokens_decoder")) return;  // then special_tokens_map.json says nothing new
  }
  if (is_there(map)) {
    const json::Document document = read_token_json(map);
    read_names(map.string(), document.root());
  }
}

void TokenSettings::read_names(const std::string& where, const json::Value& root) {
  size_t number = 0;
  const auto read = [&](const std::string& key, const json::Value& token) {
    names_[key] = {token_content(token), added_settings(where, token, true)};
  };
  for (const auto& [key, value] : root.members()) {
    if (key == "additional_special_tokens" || key == "extra_special_tokens") {
      const std::string place = where + ": " + std::string(key);
      const auto read_listed = [&](const std::string& name, const json::Value& token) {
        read(name, token);
        listed_.emplace(token_content(token), place);
      };
      for (const json::Value& token : value.elements()) read_listed(std::string(key) + std::to_string(number++), token);
      for (const auto& [name, token] : value.members()) read_listed(std::string(name), token);
    } else if (key.ends_with("_token") && !value.as_flag()) {
      read(std::string(key), value);
    }
  }
}

std::optional<bool> TokenSettings::flag(const std::string& key) const {
  const auto value = config_ ? config_->root().find(key) : std::nullopt;
  if (!value || value->is_null()) return std::nullopt;
  return value->flag();
}

std::string TokenSettings::text(const std::string& key) const {
  const auto value = config_ ? config_->root().find(key) : std::nullopt;
  return value && !value->is_null() ? value->text() : "";
}

std::string TokenSettings::named(const std::string& key, const std::string& otherwise) const {
  const auto found = names_.find(key);
  return found == names_.end() ? otherwise : found->second.first;
}

void TokenSettings::add_to(TokenSet& tokens, const std::string& where, const json::Value& written) const {
  std::set<std::string> names;
  for (const auto& [key, name] : names_) names.insert(name.first);
  if (const auto path = folder_ / "added_tokens.json"; is_there(path)) {
    const json::Document added = read_token_json(path);
    for (const auto& [token, id] : added.root().members()) {
      AddedSettings settings;
      settings.normalized = !names.contains(std::string(token));
      tokens.add(path.string(), std::string(token), token_id(path.string(), token, id), settings);
    }
  }
  for (const json::Value& token : written.elements()) {
    const std::string content = token.at("content").text();
    tokens.add(where, content, token_id(where, content, token.at("id")), added_settings(where, token, false));
  }
  if (const auto decoder = config_ ? config_->root().find("added_tokens_decoder") : std::nullopt)
    add_decoder((folder_ / "tokenizer_config.json").string(), *decoder, tokens);
  tokens.mark(kEndOfText);
  for (const auto& [key, name] : names_) tokens.mark(name.first, name.second);
  for (const auto& [token, list] : listed_)
    if (!token.empty() && tokens.find(token) < 0)
      tokens.warn(list + ": " + in_quotes(token) + " is no token of the vocabulary: it is text like any other");
}

int32_t TokenSettings::end_of_text(const TokenSet& tokens) const {
  const int32_t named_end = tokens.find(named("eos_token", kEndOfText));
  return named_end >= 0 ? named_end : tokens.find(kEndOfText);
}

}  // namespace gpt2run
