// What tokenizers' own settings would change is either done here or refused by its name.
#include "tokenizer_json.hpp"

#include <algorithm>

#include "gpt2run/error.hpp"
#include "gpt2run/sdk/escape.hpp"
#include "merge_list.hpp"
#include "post_processor.hpp"
#include "token_files.hpp"
#include "token_settings.hpp"
#include "vocab_txt.hpp"

namespace gpt2run {
namespace {

constexpr std::string_view kPattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

class TokenizerJson {
 public:
  explicit TokenizerJson(const std::filesystem::path& folder)
      : where_((folder / "tokenizer.json").string()),
        document_(read_token_json(where_)),
        settings_(folder),
        tokens_("the model's vocab"),
        model_(document_.root().at("model")) {}

  TokenizerModel read() {
    const std::string kind = kind_of(model_);
    if (kind != "BPE" && kind != "WordPiece") refuse("model", "BPE or WordPiece", in_quotes(kind));
    for (const auto& [token, id] : model_.at("vocab").object()) {
      if (!token.empty()) tokens_.insert(token, token_id(where_, token, id));
    }
    settings_.add_to(tokens_, where_, root("added_tokens"));
    if (kind == "BPE") return bpe();
    return word_piece();
  }

 private:
  // Throws UnreadTokenizer.
  [[noreturn]] void refuse(const std::string& key, const std::string& expected, const std::string& found) const {
    throw UnreadTokenizer(where_ + ": " + key + ": expected " + expected + ", found " + found);
  }

  json::Value root(const char* key) const { return document_.root().find_or_null(key); }
  json::Value option(const char* key) const { return model_.find_or_null(key); }
  bool flag(const char* key) const { return !option(key).is_null() && option(key).flag(); }

  // The type of a part. Models of old files have none, and are told by what they hold.
  static std::string kind_of(const json::Value& part) {
    if (part.is_null()) return "null";
    if (const auto type = part.find("type")) return type->text();
    return part.find("merges") ? "BPE" : part.find("max_input_chars_per_word") ? "WordPiece" : "";
  }

  // The parts of one that may be a sequence of others: none for null.
  static std::vector<json::Value> parts_of(const json::Value& part, const char* list) {
    if (part.is_null()) return {};
    if (kind_of(part) != "Sequence") return {part};
    std::vector<json::Value> parts;
    for (const json::Value& inner : part.at(list).list()) parts.push_back(inner);
    return parts;
  }

  std::string kinds_of(const std::vector<json::Value>& parts) const {
    std::string kinds;
    for (const json::Value& part : parts) kinds += (kinds.empty() ? "" : ", ") + printable(kind_of(part), 40);
    return kinds.empty() ? "null" : kinds;
  }

  TokenizerModel bpe() {
    if (const auto parts = parts_of(root("normalizer"), "normalizers"); !parts.empty())
      refuse("normalizer", "null", kinds_of(parts));
    BpeModel model = bpe_model(where_, tokens_);
    read_bpe_options(model);
    read_merges(model);
    read_byte_level(model);
    for (const json::Value& part : parts_of(root("decoder"), "decoders"))
      if (kind_of(part) != "ByteLevel" && kind_of(part) != "Fuse") refuse("decoder", "ByteLevel", kinds_of({part}));
    model.add_prefix_space = settings_.flag("add_prefix_space").value_or(model.add_prefix_space);
    model.beginning = tokens_before_text(where_, root("post_processor"), static_cast<int32_t>(model.pieces.size()));
    model.end_of_text = settings_.end_of_text(tokens_);
    return model;
  }

  void read_bpe_options(BpeModel& model) const {
    if (const auto dropout = option("dropout"); !dropout.is_null() && dropout.number() != 0)
      refuse("model.dropout", "null", dropout.description());
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const auto affix = option(key); !affix.is_null() && !affix.text().empty())
        refuse(std::string("model.") + key, "null", affix.description());
    const bool has_all = std::count(model.byte_ids.begin(), model.byte_ids.end(), -1) == 0;
    if (flag("byte_fallback") && !has_all) refuse("model.byte_fallback", "false where bytes have no token", "true");
    model.ignore_merges = flag("ignore_merges");
    model.fuse_unknown = flag("fuse_unk");
    if (const auto unknown = option("unk_token"); !unknown.is_null()) model.unknown = tokens_.find(unknown.text());
  }

  void read_merges(BpeModel& model) const {
    MergeList merges(tokens_.ids(), "the model's vocab", "merge");
    size_t number = 0;
    for (const json::Value& merge : model_.at("merges").list()) {
      const std::string place = where_ + ": merge " + std::to_string(++number);
      if (const auto line = merge.as_text()) {
        if (!line->starts_with("#version")) merges.add(place, number, *line);
        continue;
      }
      const auto pair = merge.list();
      if (pair.size() != 2) fail(place, ": expected two tokens, found ", pair.size());
      const auto second = ++pair.begin();
      merges.add(place, number, (*pair.begin()).text(), (*second).text());
    }
    model.merges = model.ignore_merges && number == 0 ? std::vector<Merge>() : merges.finish(where_, model);
  }

  // Either ByteLevel, which may split by GPT-2's pattern itself, or a Split by that pattern before it.
  void read_byte_level(BpeModel& model) const {
    const auto parts = parts_of(root("pre_tokenizer"), "pretokenizers");
    const bool is_split = parts.size() == 2 && kind_of(parts[0]) == "Split";
    if (parts.size() != (is_split ? 2 : 1) || kind_of(parts.back()) != "ByteLevel")
      refuse("pre_tokenizer", "ByteLevel", kinds_of(parts));
    const auto setting = [&](const char* key) {
      const auto value = parts.back().find(key);
      return !value || value->flag();
    };
    model.add_prefix_space = setting("add_prefix_space");
    model.use_pattern = setting("use_regex");
    if (!is_split) return;
    const auto regex = parts[0].at("pattern").find("Regex");
    const bool is_gpt2 = regex && regex->as_text() == kPattern && parts[0].at("behavior").text() == "Isolated" &&
                         !parts[0].at("invert").flag();
    if (!is_gpt2) refuse("pre_tokenizer", "a Split by GPT-2's pattern", "another one");
    if (model.add_prefix_space || model.use_pattern)
      refuse("pre_tokenizer", "a ByteLevel without add_prefix_space and use_regex behind a Split", "one with them");
    model.use_pattern = true;
  }

  TokenizerModel word_piece() {
    WordPieceModel model;
    model.tokens = tokens_.texts(where_);
    model.special = tokens_.special();
    model.warnings = tokens_.warnings();
    model.unknown = tokens_.find(option("unk_token").is_null() ? "[UNK]" : option("unk_token").text());
    if (const auto prefix = option("continuing_subword_prefix"); !prefix.is_null()) model.prefix = prefix.text();
    if (const auto most = option("max_input_chars_per_word"); !most.is_null())
      model.most_characters = static_cast<size_t>(most.integer(0, INT32_MAX));
    read_bert_text(model.text);
    const auto splits = parts_of(root("pre_tokenizer"), "pretokenizers");
    if (splits.size() != 1 || kind_of(splits[0]) != "BertPreTokenizer")
      refuse("pre_tokenizer", "BertPreTokenizer", kinds_of(splits));
    const auto decoders = parts_of(root("decoder"), "decoders");
    if (decoders.size() > 1 || (decoders.size() == 1 && kind_of(decoders[0]) != "WordPiece"))
      refuse("decoder", "WordPiece", kinds_of(decoders));
    model.shown_prefix = decoders.empty() ? "" : decoders[0].at("prefix").text();
    model.cleanup = !decoders.empty() && decoders[0].at("cleanup").flag();
    tokens_before_text(where_, root("post_processor"), static_cast<int32_t>(model.tokens.size()));
    model.end_of_text = settings_.end_of_text(tokens_);
    return model;
  }

  void read_bert_text(BertText& text) const {
    text = {false, false, false, false};
    const auto parts = parts_of(root("normalizer"), "normalizers");
    if (parts.size() > 1 || (parts.size() == 1 && kind_of(parts[0]) != "BertNormalizer"))
      refuse("normalizer", "BertNormalizer", kinds_of(parts));
    if (!parts.empty()) {
      text.clean = parts[0].at("clean_text").flag();
      text.chinese = parts[0].at("handle_chinese_chars").flag();
      text.lower_case = parts[0].at("lowercase").flag();
      const auto accents = parts[0].find("strip_accents");
      text.no_accents = accents && !accents->is_null() ? accents->flag() : text.lower_case;
      override_bert_text(settings_, text);
    }
  }

  std::string where_;
  json::Document document_;
  TokenSettings settings_;
  TokenSet tokens_;
  json::Value model_;
};

}  // namespace

TokenizerModel read_tokenizer_json(const std::filesystem::path& folder) { return TokenizerJson(folder).read(); }

}  // namespace gpt2run
