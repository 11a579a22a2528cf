// Hugging Face's vocab.json and merges.txt. Their tokens are written in GPT-2's byte alphabet. Added tokens are plain
// text.
#include "huggingface.hpp"

#include <sstream>
#include <unordered_map>

#include "byte_letters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "merge_list.hpp"
#include "token_files.hpp"
#include "token_settings.hpp"

namespace gpt2run {

namespace fs = std::filesystem;

namespace {

// Refuses tokens that are spelled in another way than GPT-2's, which would give wrong ids without an error.
void check_spelling(const std::string& where, const TokenSet& tokens) {
  const std::string& blank = byte_letters()[' '];
  std::string other;
  for (const auto& [token, id] : tokens.ids()) {
    if (token.starts_with(blank)) return;
    if (token.ends_with("</w>") || token.starts_with("\u2581")) other = token;
  }
  if (!other.empty())
    throw UnreadTokenizer(where + ": expected tokens in GPT-2's byte alphabet, found " + in_quotes(other) +
                          ", as another kind of tokenizer spells them");
}

std::vector<Merge> read_merges(const fs::path& path, const TokenSet& tokens, const std::string& vocabulary,
                               const BpeModel& model) {
  std::istringstream file(read_token_text(path));
  MergeList merges(tokens.ids(), vocabulary.c_str(), "line");
  std::string line;
  for (size_t number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (number == 1 && line.starts_with("#version")) continue;
    merges.add(path.string() + ":" + std::to_string(number), number, line);
  }
  return merges.finish(path.string(), model);
}

// Writes the list of special tokens besides the end of text, if there are any.
void write_other_special_tokens(const BpeModel& vocabulary, JsonWriter& config) {
  bool is_open = false;
  for (const auto& [id, settings] : vocabulary.special) {
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
    const bool special = is_special(vocabulary, id);
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

BpeModel read_vocab_and_merges(const fs::path& folder, const std::string& vocab_name, const std::string& merges_name) {
  const std::string where = (folder / vocab_name).string();
  TokenSet tokens(vocab_name);
  const json::Document vocab = read_token_json(where);
  for (const auto& [token, id] : vocab.root().members()) tokens.insert(token, token_id(where, token, id));
  const TokenSettings settings(folder);
  settings.add_to(tokens, "", json::Value());
  check_spelling(where, tokens);
  BpeModel model = bpe_model(where, tokens);
  model.merges = read_merges(folder / merges_name, tokens, vocab_name, model);
  model.end_of_text = settings.end_of_text(tokens);
  model.add_prefix_space = settings.flag("add_prefix_space").value_or(false);
  const int32_t bos = tokens.find(settings.named("bos_token", kEndOfText));
  if (bos >= 0 && settings.flag("add_bos_token").value_or(false)) model.beginning = {bos};
  return model;
}

}  // namespace gpt2run
