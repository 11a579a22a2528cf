// TokenSet: the tokens of Hugging Face's files as these spell them, with their ids, and those of them that are looked
// for in a text first.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.hpp"
#include "bpe_model.hpp"
#include "gpt2run/json/value.hpp"
#include "merge_list.hpp"

namespace gpt2run {

class TokenSet {
 public:
  // vocabulary: the file of the ordinary tokens, for messages.
  explicit TokenSet(std::string vocabulary) : vocabulary_(std::move(vocabulary)) {}

  // Adds an ordinary token, which must be new.
  void insert(std::string_view token, int32_t id) { ids_.emplace(token, id); }

  // Adds a token that is looked for first, or gives it other settings. where: the file. Throws Error if it has another
  // id already.
  void add(const std::string& where, const std::string& token, int32_t id, const AddedSettings& settings);

  // Makes a token that is there one that is looked for first. Any other text, and one that is looked for already, is
  // left as it is.
  void mark(const std::string& token, const AddedSettings& settings = {});

  // The id of a token, or -1.
  int32_t find(std::string_view token) const;

  // Notes something that the files name and that is left out.
  void warn(std::string line) { warnings_.push_back(std::move(line)); }

  const TokenIds& ids() const { return ids_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::vector<SpecialToken> special() const;  // ascending ids

  // The tokens by id, empty for ids that have none. where: the file. Throws Error for two tokens of one id, and for an
  // empty token.
  std::vector<std::string> texts(const std::string& where) const;

 private:
  std::string vocabulary_;
  TokenIds ids_;
  std::map<int32_t, AddedSettings> added_;
  std::vector<std::string> warnings_;
};

// An id of a JSON file. Throws Error for another value, and for an id beyond the largest vocabulary.
int32_t token_id(const std::string& where, std::string_view token, const json::Value& value);

// How a token is looked for, from the flags of its object. is_special: whether it is one where the object does not say.
// Throws Error for a flag that is not true or false.
AddedSettings added_settings(const std::string& where, const json::Value& token, bool is_special);

// A token's text: it is given directly or as the `content` of an object. Empty for anything else.
std::string token_content(const json::Value& token);

// The BPE model of these tokens, without merges: pieces, bytes and special tokens. Throws Error as TokenSet::texts, and
// for a vocabulary without tokens.
BpeModel bpe_model(const std::string& where, const TokenSet& tokens);

}  // namespace gpt2run
