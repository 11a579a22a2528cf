#include "vocab_txt.hpp"

#include <unordered_map>

#include "characters.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/select.hpp"
#include "text_tables.hpp"
#include "token_files.hpp"

namespace gpt2run {
namespace {

std::string_view without_white_end(std::string_view line) {
  while (!line.empty()) {
    const Character last = character_before(line, line.size());
    if (!(traits_of(last.code) & trait::kWhite)) break;
    line.remove_suffix(last.bytes);
  }
  return line;
}

// The id of a token is the number of its line. Where a token comes twice, the last line counts; the others, and empty
// ones, are ids without a token.
TokenSet read_lines(const std::string& path) {
  const std::string text = read_token_text(path);
  std::unordered_map<std::string_view, int32_t> ids;
  int32_t id = 0;
  for (size_t begin = 0; begin < text.size(); ++id) {
    if (id == kMaxVocab) fail(path, ": expected at most ", kMaxVocab, " lines, found more");
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view token = without_white_end(std::string_view(text).substr(begin, end - begin));
    if (!token.empty()) ids[token] = id;
    begin = end + 1;
  }
  if (text.empty()) throw UnreadTokenizer(path + ": expected a token on each line, found an empty file");
  if (ids.empty()) fail(path, ": expected a token on each line, found none");
  TokenSet tokens("vocab.txt");
  for (const auto& [token, its] : ids) tokens.insert(token, its);
  return tokens;
}

// tokenizer_class is that of transformers.
void check_class(const std::filesystem::path& folder, const TokenSettings& settings) {
  const std::string name = settings.text("tokenizer_class");
  if (name.find("Japanese") != name.npos || name.find("Tweet") != name.npos || name.find("Pho") != name.npos)
    throw UnreadTokenizer((folder / "tokenizer_config.json").string() +
                          ": tokenizer_class: expected BertTokenizer beside vocab.txt, found " + in_quotes(name));
}

}  // namespace

void override_bert_text(const TokenSettings& settings, BertText& text) {
  if (const auto lower = settings.flag("do_lower_case")) text.lower_case = text.no_accents = *lower;
  text.chinese = settings.flag("tokenize_chinese_chars").value_or(text.chinese);
  text.no_accents = settings.flag("strip_accents").value_or(text.no_accents);
}

WordPieceModel read_vocab_txt(const std::filesystem::path& folder) {
  TokenSet tokens = read_lines((folder / "vocab.txt").string());
  const TokenSettings settings(folder);
  check_class(folder, settings);
  settings.add_to(tokens, "", json::Value());
  WordPieceModel model;
  for (const auto& [key, name] : {std::pair("unk_token", "[UNK]"),
                                  {"sep_token", "[SEP]"},
                                  {"pad_token", "[PAD]"},
                                  {"cls_token", "[CLS]"},
                                  {"mask_token", "[MASK]"}})
    tokens.mark(settings.named(key, name));
  override_bert_text(settings, model.text);
  model.tokens = tokens.texts((folder / "vocab.txt").string());
  model.special = tokens.special();
  model.warnings = tokens.warnings();
  model.unknown = tokens.find(settings.named("unk_token", "[UNK]"));
  model.end_of_text = settings.end_of_text(tokens);
  return model;
}

}  // namespace gpt2run
