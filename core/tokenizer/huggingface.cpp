// Hugging Face's tokenizer files. Their tokens are written in GPT-2's byte alphabet: printable Latin-1 bytes stand for
// themselves, the 68 others, in ascending order, for U+0100 and up (a blank is U+0120). Added tokens are plain text.
#include "huggingface.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/escape.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using TokenIds = std::unordered_map<std::string, int32_t>;

constexpr char kEndOfText[] = "<|endoftext|>";

// For messages: any JSON in a line, cut after a glance.
std::string shown(const json& value) {
  constexpr size_t kMost = 60;
  return printable(value.dump(-1, ' ', false, json::error_handler_t::replace), kMost);
}

// Of the keys of the text's objects the first that comes again in its object.
std::string key_given_twice(const std::string& text) {
  std::vector<std::unordered_set<std::string>> keys;  // of the open object at each depth
  std::string twice;
  const auto note = [&](int depth, json::parse_event_t event, json& value) {
    const auto inside = static_cast<size_t>(depth) + 1;
    if (keys.size() <= inside) keys.resize(inside + 1);
    if (event == json::parse_event_t::object_start) keys[inside].clear();
    if (event != json::parse_event_t::key || !twice.empty()) return true;
    const auto& key = value.get_ref<const std::string&>();
    if (!keys[inside - 1].insert(key).second) twice = key;
    return true;
  };
  const json ignored = json::parse(text, note);
  return twice;
}

// A key that comes twice would silently win over the first. Keys are counted, and only then told apart, because the
// vocabulary has many.
json read_json_object(const std::filesystem::path& path) {
  const std::string text = read_file(path);
  if (const size_t nul = text.find('\0'); nul != text.npos)  // ends the parser
    fail(path.string(), ": expected JSON, found a NUL at byte ", nul + 1);
  json object;
  std::vector<size_t> keys;  // of the open object at each depth
  bool twice = false;
  const auto count = [&](int depth, json::parse_event_t event, json& value) {
    const auto inside = static_cast<size_t>(depth) + 1;
    if (keys.size() <= inside) keys.resize(inside + 1);
    if (event == json::parse_event_t::object_start) keys[inside] = 0;
    if (event == json::parse_event_t::key) ++keys[inside - 1];
    if (event == json::parse_event_t::object_end) twice |= keys[inside] != value.size();
    return true;
  };
  try {
    object = json::parse(text, count);
    if (twice) fail(path.string(), ": expected every key once, found ", in_quotes(key_given_twice(text)), " twice");
  } catch (const json::parse_error& error) {
    fail(path.string(), ": expected JSON, found a mistake at byte ", error.byte);
  } catch (const json::exception& error) {
    fail(path.string(), ": expected JSON, found ", error.what());
  }
  if (!object.is_object()) fail(path.string(), ": expected a JSON object, found JSON of type ", object.type_name());
  return object;
}

int32_t id_from(const std::filesystem::path& path, const std::string& token, const json& value) {
  if (!value.is_number_integer() || value < 0 || value > INT32_MAX) {
    fail(path.string(), ": token ", in_quotes(token), ": expected an id from 0, found ", shown(value));
  }
  return value.get<int32_t>();
}

// The letter of every byte, in UTF-8.
std::array<std::string, 256> byte_letters() {
  std::array<std::string, 256> letters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    const uint32_t c = printable ? byte : next++;
    if (c >= 128) letters[byte].push_back(static_cast<char>(0xC0 | c >> 6));
    letters[byte].push_back(static_cast<char>(c < 128 ? c : 0x80 | (c & 0x3F)));
  }
  return letters;
}

// The bytes that a token's letters stand for; text with any other character in it stands for itself.
std::string bytes_of(const std::string& token, const std::unordered_map<std::string, char>& alphabet) {
  std::string bytes;
  for (size_t i = 0; i < token.size();) {
    const size_t length = static_cast<uint8_t>(token[i]) < 0x80 ? 1 : 2;
    const auto letter = alphabet.find(token.substr(i, length));
    if (letter == alphabet.end()) return token;
    bytes += letter->second;
    i += length;
  }
  return bytes;
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
    const json vocab = read_json_object(vocab_path_);
    for (const auto& [token, id] : vocab.items()) ids_.emplace(token, id_from(vocab_path_, token, id));
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
    const json added = read_json_object(path);
    for (const auto& [token, id] : added.items()) add(path, token, id_from(path, token, id));
  }

  void read_config(const std::filesystem::path& path) {
    const json config = read_json_object(path);
    if (config.contains("added_tokens_decoder")) read_added_decoder(path, config["added_tokens_decoder"]);
    for (const auto& [key, value] : config.items()) {
      const bool list = key == "additional_special_tokens" && value.is_array();
      if (list) {
        for (const json& token : value) mark_special(content_of(token));
      } else if (key.ends_with("_token")) {
        mark_special(content_of(value));
      }
    }
    const auto found = ids_.find(content_of(config.value("eos_token", json())));
    if (found != ids_.end()) vocabulary_.end_of_text = found->second;
  }

  // A token is given as text or as an object that has the text; anything else names none.
  static std::string content_of(const json& token) {
    if (token.is_string()) return token.get<std::string>();
    const bool has_text = token.is_object() && token.contains("content") && token["content"].is_string();
    return has_text ? token["content"].get<std::string>() : std::string();
  }

  // These settings change which characters a token takes with it: the text would not come back from its ids.
  void read_added_decoder(const std::filesystem::path& path, const json& decoder) {
    for (const auto& [key, token] : decoder.items()) {
      const std::string content = content_of(token);
      const json id = json::parse(key.find('\0') == key.npos ? key : "", nullptr, false);
      if (id.is_discarded())
        fail(path.string(), ": added token ", in_quotes(content), ": expected an id as its key, found ",
             in_quotes(key));
      for (const char* setting : {"lstrip", "rstrip", "single_word"}) {
        if (token.is_object() && token.value(setting, json(false)) != false) {
          fail(path.string(), ": added token ", in_quotes(content), ": expected ", setting, " false, found ",
               shown(token[setting]));
        }
      }
      add(path, content, id_from(path, content, id));
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
    const auto letters = byte_letters();
    std::unordered_map<std::string, char> alphabet;
    for (size_t byte = 0; byte < 256; ++byte) {
      alphabet.emplace(letters[byte], static_cast<char>(byte));
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
      vocabulary_.pieces.push_back(plain_text ? *tokens[id] : bytes_of(*tokens[id], alphabet));
    }
  }

  void read_merges() {
    const std::filesystem::path path = folder_ / "merges.txt";
    std::istringstream file(read_file(path));
    std::unordered_map<uint64_t, size_t> seen;
    std::string line;
    for (size_t number = 1; std::getline(file, line); ++number) {
      if (line.ends_with('\r')) line.pop_back();
      if (number == 1 && line.starts_with("#version")) continue;
      const std::string where = path.string() + ":" + std::to_string(number);
      const Merge merge = parse_merge(where, line);
      const uint64_t pair = static_cast<uint64_t>(merge.left) << 32 | static_cast<uint32_t>(merge.right);
      if (const auto [known, added] = seen.emplace(pair, number); !added) {
        fail(where, ": expected every merge once, found the one of line ", known->second, " again");
      }
      vocabulary_.merges.push_back(merge);
    }
    check_merged_tokens(path);
    constexpr size_t kMostMerges = size_t{1} << 24;
    if (vocabulary_.merges.size() >= kMostMerges) {
      fail(path.string(), ": expected fewer than ", kMostMerges, " merges, found ", vocabulary_.merges.size());
    }
  }

  // A file that lost all its lines would turn every text into single bytes.
  void check_merged_tokens(const std::filesystem::path& path) const {
    if (!vocabulary_.merges.empty()) return;
    const auto& special = vocabulary_.special;
    for (size_t id = 0; id < vocabulary_.pieces.size(); ++id) {
      if (vocabulary_.pieces[id].size() == 1 || std::binary_search(special.begin(), special.end(), id)) continue;
      fail(path.string(), ": expected the merge of token ", id, " (", in_quotes(vocabulary_.pieces[id]),
           "), found no merges at all");
    }
  }

  Merge parse_merge(const std::string& where, const std::string& line) const {
    const size_t blank = line.find(' ');
    if (blank == 0 || blank == std::string::npos || blank + 1 == line.size() ||
        line.find(' ', blank + 1) != line.npos) {
      fail(where, ": expected two tokens with a blank between them, found ", in_quotes(line));
    }
    const std::string left = line.substr(0, blank), right = line.substr(blank + 1);
    return {merged_id(where, left), merged_id(where, right), merged_id(where, left + right)};
  }

  int32_t merged_id(const std::string& where, const std::string& token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) fail(where, ": expected tokens of vocab.json, found ", in_quotes(token));
    return found->second;
  }

  std::filesystem::path folder_;
  std::filesystem::path vocab_path_ = folder_ / "vocab.json";
  TokenIds ids_;  // in the files' spelling
  BpeModel vocabulary_;
};

std::string letters_of(const std::string& piece) {
  static const auto letters = byte_letters();
  std::string token;
  for (const char byte : piece) token += letters[static_cast<uint8_t>(byte)];
  return token;
}

// One line, other characters than ASCII escaped.
std::string compact(const std::string& path, const nlohmann::ordered_json& json) {
  try {
    return json.dump(-1, ' ', true) + "\n";
  } catch (const json::exception&) {
    fail(path, ": vocab.json: expected special tokens in UTF-8, found other bytes");
  }
}

}  // namespace

std::vector<TokenizerFile> write_huggingface_vocabulary(const std::string& path, const BpeModel& vocabulary) {
  nlohmann::ordered_json::object_t vocab;  // appended to without a search, which would take its whole length each time
  std::unordered_map<std::string, int32_t> ids;
  for (size_t i = 0; i < vocabulary.pieces.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const bool special = std::count(vocabulary.special.begin(), vocabulary.special.end(), id) > 0;
    const std::string& piece = vocabulary.pieces[i];
    const auto [other, added] = ids.emplace(special ? piece : letters_of(piece), id);
    if (!added) fail(path, ": vocab.json: expected every token once, found ids ", other->second, " and ", id, " alike");
    vocab.push_back({other->first, id});
  }
  std::string merges = "#version: 0.2\n";
  for (const Merge& merge : vocabulary.merges) {
    merges += letters_of(vocabulary.pieces[static_cast<size_t>(merge.left)]) + " " +
              letters_of(vocabulary.pieces[static_cast<size_t>(merge.right)]) + "\n";
  }
  nlohmann::ordered_json config = {{"tokenizer_class", "GPT2Tokenizer"}};
  if (vocabulary.end_of_text >= 0) {
    const std::string& end = vocabulary.pieces[static_cast<size_t>(vocabulary.end_of_text)];
    for (const char* key : {"bos_token", "eos_token", "unk_token"}) config[key] = end;
  }
  return {{"vocab.json", compact(path, vocab)},
          {"merges.txt", std::move(merges)},
          {"tokenizer_config.json", compact(path, config)}};
}

BpeModel read_huggingface_vocabulary(const std::filesystem::path& folder) { return FolderReader(folder).read(); }

}  // namespace gpt2run
