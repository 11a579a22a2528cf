// TokenSettings: what tokenizer_config.json, special_tokens_map.json and added_tokens.json say of a tokenizer. None of
// them has to be there.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "token_set.hpp"

namespace gpt2run {

class TokenSettings {
 public:
  // Reads the three files of a folder. Throws Error.
  explicit TokenSettings(const std::filesystem::path& folder);

  // A setting of tokenizer_config.json, or nothing where it is missing or null. Throws Error for another type.
  std::optional<bool> flag(const std::string& key) const;
  std::string text(const std::string& key) const;

  // The text of a token that a key such as eos_token names: "" where it is null, `otherwise` where the key is missing.
  std::string named(const std::string& key, const std::string& otherwise) const;

  // Adds added tokens to the set, and makes those special that a key names. written: the `added_tokens` of
  // tokenizer.json, or null; where: that file. Where both files have a token, tokenizer_config.json says how it is
  // looked for. A token of a list of special ones that is none of the set is left out, with a warning. Throws Error.
  void add_to(TokenSet& tokens, const std::string& where, const json::Value& written) const;

  // The id of the end of text: eos_token, or else <|endoftext|>, if the set has it; -1 if not.
  int32_t end_of_text(const TokenSet& tokens) const;

 private:
  void read_names(const std::string& where, const json::Value& root);

  std::filesystem::path folder_;
  std::optional<json::Document> config_;
  std::map<std::string, std::pair<std::string, AddedSettings>> names_;  // by key, as eos_token
  std::map<std::string, std::string> listed_;  // tokens of a list of special ones, with the file and the list's key
};

}  // namespace gpt2run
