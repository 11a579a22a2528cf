// nanoGPT writes {"vocab_size": 65, "itos": {0: "\n", ...}, "stoi": {"\n": 0, ...}}. Programs that came of it write
// other things under this name, so whatever is not such a table is a tokenizer that is not read.
#include "meta_pkl.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "characters.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/pickle/pickle.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/sdk/select.hpp"
#include "token_files.hpp"

namespace gpt2run {
namespace {

using pickle::Kind;
using pickle::Pickle;
using pickle::Value;

class MetaReader {
 public:
  MetaReader(const Pickle& pickle, const std::string& path) : pickle_(pickle), path_(path) {}

  CharacterModel read() {
    if (pickle_.root.kind != Kind::dict)
      fail(path_, ": expected a dictionary with stoi and itos, found a ", name_of(pickle_.root.kind));
    const auto characters = pickle_.find(pickle_.root, "itos"), ids = pickle_.find(pickle_.root, "stoi");
    if (!characters && !ids) fail(path_, ": expected stoi and itos, the characters and their ids, found neither");
    if (characters) read_characters(*characters);
    if (ids) read_ids(*ids, !characters);
    if (model_.characters.empty()) fail(path_, ": expected characters, found none");
    check_different();
    return std::move(model_);
  }

 private:
  void read_characters(const Value& itos) {
    const auto items = pickle_.items(itos);
    if (itos.kind == Kind::list) {
      for (size_t id = 0; id < items.size(); ++id) set("itos", static_cast<int64_t>(id), items[id]);
      return;
    }
    if (itos.kind != Kind::dict) fail(path_, ": itos: expected a dictionary, found a ", name_of(itos.kind));
    for (size_t i = 0; i + 1 < items.size(); i += 2) set("itos", id_of("itos", items[i]), items[i + 1]);
  }

  // Either the only table, or one that must say what itos says.
  void read_ids(const Value& stoi, bool is_alone) {
    if (stoi.kind != Kind::dict) fail(path_, ": stoi: expected a dictionary, found a ", name_of(stoi.kind));
    const auto items = pickle_.items(stoi);
    for (size_t i = 0; i + 1 < items.size(); i += 2) {
      const int64_t id = id_of("stoi", items[i + 1]);
      if (is_alone) {
        set("stoi", id, items[i]);
        continue;
      }
      const auto number = static_cast<size_t>(id);
      const std::string_view character = character_of("stoi", id, items[i]);
      if (number >= model_.characters.size() || model_.characters[number] != character)
        fail(path_, ": stoi: expected the ids that itos has, found ", in_quotes(character), " with id ", id);
    }
  }

  int64_t id_of(const char* key, const Value& value) const {
    if (value.kind != Kind::integer) fail(path_, ": ", key, ": expected ids, found a ", name_of(value.kind));
    if (value.integer < 0 || value.integer >= kMaxVocab)
      fail(path_, ": ", key, ": expected ids from 0 to ", kMaxVocab - 1, ", found ", value.integer);
    return value.integer;
  }

  std::string_view character_of(const char* key, int64_t id, const Value& value) const {
    if (value.kind != Kind::text)
      fail(path_, ": ", key, ": id ", id, ": expected a character, found a ", name_of(value.kind));
    const std::string_view text = value.view();
    if (text.empty() || !is_utf8(text) || character_at(text, 0).bytes != text.size())
      fail(path_, ": ", key, ": id ", id, ": expected one character, found ", in_quotes(text));
    return text;
  }

  void set(const char* key, int64_t id, const Value& value) {
    const std::string_view character = character_of(key, id, value);
    const auto number = static_cast<size_t>(id);
    if (number >= size_t{kMaxVocab})
      fail(path_, ": ", key, ": expected at most ", kMaxVocab, " characters, found more");
    if (number >= model_.characters.size()) model_.characters.resize(number + 1);
    model_.characters[number] = character;
  }

  void check_different() const {
    std::unordered_map<std::string_view, size_t> known;
    for (size_t id = 0; id < model_.characters.size(); ++id) {
      const std::string& character = model_.characters[id];
      if (character.empty()) continue;
      const auto [other, added] = known.emplace(character, id);
      if (!added)
        fail(path_, ": expected every character once, found ", in_quotes(character), " with ids ", other->second,
             " and ", id);
    }
  }

  const Pickle& pickle_;
  const std::string& path_;
  CharacterModel model_;
};

}  // namespace

bool is_pickle(const std::filesystem::path& path) {
  if (!is_file(path)) return false;
  char first = 0;
  InputFile file(path.string());
  return file.read(&first, 1) == 1 && first == '\x80';
}

CharacterModel read_meta_pkl(const std::filesystem::path& path) {
  const std::string bytes = read_token_file(path), where = path.string();
  try {
    const Pickle pickle = pickle::read_pickle(bytes, where);
    return MetaReader(pickle, where).read();
  } catch (const Error& error) {
    throw UnreadTokenizer(error.what());
  }
}

}  // namespace gpt2run
