// Hugging Face's tokenizer files. Their tokens are written in GPT-2's byte alphabet. Added tokens are plain text.
#include "huggingface.hpp"

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "byte_letters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/json/json.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "merge_list.hpp"

namespace gpt2run {
namespace {

constexpr char kEndOfText[] = "<|endoftext|>";

// Reads a JSON object. The reader refuses repeated keys, where most others would silently keep the last one.
json::Document read_json(const std::filesystem::path& path) {
  json::Document document = json::parse(read_file(path), path.string());
  document.root().object();
  return document;
}

int32_t id_from(const std::filesystem::path& path, std::string_view token, const json::Value& value) {
  const auto id = value.as_integer();
  if (!id || *id < 0 || *id > INT32_MAX)
    fail(path.string(), ": token ", in_quotes(token), ": expected an id from 0, found ", value.description());
  return static_cast<int32_t>(*id);
}

class FolderReader {
 public:
  explicit FolderReader(std::filesystem::path folder) : folder_(std::move(folder)) {}

  BpeModel read() {
    read_vocab();
    if (const auto path = folder_ / "added_tokens.json"; std::filesystem::exists(path)) read_added(path);
    if (const auto path = folder_ / "tokenizer_config.json"; std::filesystem::exists(path)) read_config(path);
    make_pieces();
    read_merges();
    return std::move(vocabulary_);
  }

 private:
  void read_vocab() {
    const json::Document vocab = read_json(vocab_path_);
    ids_.reserve(vocab.root().members().size());
    for (const auto& [token, id] : vocab.root().members()) ids_.emplace(token, id_from(vocab_path_, token, id));
    mark_special(kEndOfText);
    if (const auto found = ids_.find(kEndOfText); found != ids_.end()) vocabulary_.end_of_text = found->second;
  }

  void mark_special(const std::string& token) {
    const auto found = ids_.find(token);
    if (found != ids_.end()) vocabulary_.special.push_back(found->second);
  }

  void add(const std::filesystem::path& path, const std::string& token, int32_t id) {
    const auto [known, added] = ids_.emplace(token, id);
    if (!added && known->second != id) {
      fail(path.string(), ": added token ", in_quotes(token), ": expected id ", known->second,
           " as in vocab.json, found ", id);
    }
    vocabulary_.special.push_back(id);
  }

  void read_added(const std::filesystem::path& path) {
    const json::Document added = read_json(path);
    for (const auto& [token, id] : added.root().members()) add(path, std::string(token), id_from(path, token, id));
  }

  void read_config(const std::filesystem::path& path) {
    const json::Document config = read_json(path);
    const json::Value root = config.root();
    read_added_decoder(path, root.find("added_tokens_decoder").value_or(json::Value()));
    for (const auto& [key, value] : root.members()) {
      if (key == "additional_special_tokens")
        for (const json::Value& token : value.elements()) mark_special(content_of(token));
      else if (key.ends_with("_token"))
        mark_special(content_of(value));
    }
    const auto found = ids_.find(content_of(root.find("eos_token").value_or(json::Value())));
    if (found != ids_.end()) vocabulary_.end_of_text = found->second;
  }

  // A token's text: it is given directly or as the `content` of an object. Empty for anything else.
  static std::string content_of(const json::Value& token) {
    const json::Value content = token.find("content").value_or(token);
    return std::string(content.as_text().value_or(""));
  }

  // Refuses settings that make a token absorb neighbouring characters, because the ids would not decode to the text.
  void read_added_decoder(const std::filesystem::path& path, const json::Value& decoder) {
    for (const auto& [key, token] : decoder.members()) {
      const std::string content = content_of(token);
      const auto id = json::try_parse(key);
      if (!id)
        fail(path.string(), ": added token ", in_quotes(content), ": expected an id as its key, found ",
             in_quotes(key));
      for (const char* setting : {"lstrip", "rstrip", "single_word"}) {
        const auto value = token.find(setting);
        if (value && value->as_flag() != false)
          fail(path.string(), ": added token ", in_quotes(content), ": expected ", setting, " false, found ",
               value->description());
      }
      add(path, content, id_from(path, content, id->root()));
    }
  }

  void make_pieces() {
    std::vector<const std::string*> tokens(ids_.size(), nullptr);
    for (const auto& [token, id] : ids_) {
      if (token.empty()) fail(vocab_path_.string(), ": id ", id, ": expected a token of at least one byte, found none");
      if (static_cast<size_t>(id) >= tokens.size()) {
        fail(vocab_path_.string(), ": expected ids 0 to ", tokens.size() - 1, " for ", tokens.size(), " tokens, found ",
             id, " for token ", in_quotes(token));
      }
      if (const std::string* other = tokens[id]) {
        fail(vocab_path_.string(), ": expected one token for each id, found ", id, " for ", in_quotes(*other), " and ",
             in_quotes(token));
      }
      tokens[id] = &token;
    }
    const auto& letters = byte_letters();
    for (size_t byte = 0; byte < 256; ++byte) {
      const auto found = ids_.find(letters[byte]);
      if (found == ids_.end()) {
        fail(vocab_path_.string(), ": expected a token for each of the 256 bytes, found none for byte ", byte, " (",
             in_quotes(letters[byte]), ")");
      }
      vocabulary_.byte_ids[byte] = found->second;
    }
    auto& special = vocabulary_.special;
    std::sort(special.begin(), special.end());
    special.erase(std::unique(special.begin(), special.end()), special.end());
    for (size_t id = 0; id < tokens.size(); ++id) {
      const bool plain_text = std::binary_search(special.begin(), special.end(), static_cast<int32_t>(id));
      vocabulary_.pieces.push_back(plain_text ? *tokens[id] : bytes_of_letters(*tokens[id]));
    }
  }

  void read_merges() {
    const std::filesystem::path path = folder_ / "merges.txt";
    std::istringstream file(read_file(path));
    MergeList merges(ids_, "vocab.json", "line");
    std::string line;
    for (size_t number = 1; std::getline(file, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      if (number == 1 && line.starts_with("#version")) continue;
      merges.add(path.string() + ":" + std::to_string(number), number, line);
    }
    vocabulary_.merges = merges.finish(path.string(), vocabulary_);
  }

  std::filesystem::path folder_;
  std::filesystem::path vocab_path_ = folder_ / "vocab.json";
  TokenIds ids_;  // keyed by the tokens as the files write them
  BpeModel vocabulary_;
};

// Writes the list of special tokens besides the end of text, if there are any.
void write_other_special_tokens(const BpeModel& vocabulary, JsonWriter& config) {
  bool is_open = false;
  for (const int32_t id : vocabulary.special) {
    if (id == vocabulary.end_of_text) continue;
    if (!is_open) {
      config.key("additional_special_tokens");
      config.begin_list();
      is_open = true;
    }
    config.value(vocabulary.pieces[static_cast<size_t>(id)]);
  }
  if (is_open) config.end_list();
}

}  // namespace

std::vector<TokenizerFile> write_huggingface_vocabulary(const std::string& path, const BpeModel& vocabulary) {
  JsonWriter vocab(-1, JsonForm::ascii), config(-1, JsonForm::ascii);
  vocab.begin_object();
  std::unordered_map<std::string, int32_t> ids;
  for (size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const bool special = std::binary_search(vocabulary.special.begin(), vocabulary.special.end(), id);
    const std::string& piece = vocabulary.pieces[i];
    const auto [other, added] = ids.emplace(special ? piece : letters_of_bytes(piece), id);
    if (!added) fail(path, ": vocab.json: expected every token once, found ids ", other->second, " and ", id, " alike");
    if (!is_utf8(other->first)) fail(path, ": vocab.json: expected special tokens in UTF-8, found other bytes");
    vocab.field(other->first, id);
  }
  vocab.end_object();
  std::string merges = "#version: 0.2\n";
  for (const Merge& merge : vocabulary.merges) {
    merges += letters_of_bytes(vocabulary.pieces[static_cast<size_t>(merge.left)]) + " " +
              letters_of_bytes(vocabulary.pieces[static_cast<size_t>(merge.right)]) + "\n";
  }
  config.begin_object();
  config.field("tokenizer_class", "GPT2Tokenizer");
  if (vocabulary.end_of_text >= 0) {
    const std::string& end = vocabulary.pieces[static_cast<size_t>(vocabulary.end_of_text)];
    if (!is_utf8(end)) fail(path, ": tokenizer_config.json: expected an end of text in UTF-8, found other bytes");
    for (const char* key : {"bos_token", "eos_token", "unk_token"}) config.field(key, end);
  }
  write_other_special_tokens(vocabulary, config);
  config.end_object();
  return {{"vocab.json", vocab.json() + "\n"},
          {"merges.txt", std::move(merges)},
          {"tokenizer_config.json", config.json() + "\n"}};
}

BpeModel read_huggingface_vocabulary(const std::filesystem::path& folder) { return FolderReader(folder).read(); }

}  // namespace gpt2run
