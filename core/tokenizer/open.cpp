// Tokenizer::open, which chooses the file format by what it finds at the path.
#include <algorithm>
#include <filesystem>

#include "byte_letters.hpp"
#include "character_tokenizer.hpp"
#include "gguf.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/sdk/folder.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "huggingface.hpp"
#include "llmc.hpp"
#include "meta_pkl.hpp"
#include "token_files.hpp"
#include "tokenizer_json.hpp"
#include "vocab_txt.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTokenizerJson = "tokenizer.json";
constexpr const char* kMetaPkl = "meta.pkl";

using AnyModel = std::variant<BpeModel, WordPieceModel, CharacterModel>;

// Returns the bytes of llm.c's tokenizer file. Throws Error for any other file.
std::string read_llmc_file(const std::string& path) {
  const fs::file_status status = status_of(path);
  std::string found = "a file of another kind";
  if (fs::is_regular_file(status)) {
    std::string bytes = read_file(path);
    if (first_word(bytes) == kLlmcTokenizerMagic) return bytes;
    if (first_word(bytes) == __builtin_bswap32(kLlmcTokenizerMagic)) found = "such a file in big-endian order";
  } else if (status.type() == fs::file_type::not_found) {
    found = "nothing";
  }
  fail(path,
       ": expected a folder with tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or meta.pkl, a GGUF file, "
       "or "
       "llm.c's tokenizer file, found ",
       found);
}

// That of tokenizer.json is one of two kinds.
AnyModel any(TokenizerModel model) {
  return std::visit([](auto& kind) { return AnyModel(std::move(kind)); }, model);
}

AnyModel read_folder(const fs::path& folder) {
  const auto has = [&](const char* name) { return is_there(folder / name); };
  if (has(kTokenizerJson)) return any(read_tokenizer_json(folder));
  if (has("vocab.json") || has("merges.txt")) return read_vocab_and_merges(folder, "vocab.json", "merges.txt");
  if (has("encoder.json") || has("vocab.bpe")) return read_vocab_and_merges(folder, "encoder.json", "vocab.bpe");
  if (has("vocab.txt")) return read_vocab_txt(folder);
  if (has(kMetaPkl)) return read_meta_pkl(folder / kMetaPkl);
  const std::string why = no_tokenizer_reason(folder.string());
  fail(folder.string(),
       ": expected tokenizer.json, vocab.json and merges.txt, encoder.json and vocab.bpe, vocab.txt, or meta.pkl, "
       "found ",
       why.empty() ? "none of them" : why);
}

// The folder of Hugging Face's files: the path, or that of a tokenizer.json that is named. Empty for another file.
std::string folder_of(const std::string& path) {
  const fs::path given(path);
  if (is_folder(path)) return path;
  if (given.filename() != kTokenizerJson || !is_there(given)) return "";
  return given.has_parent_path() ? given.parent_path().string() : ".";
}

AnyModel read_model(const std::string& path) {
  if (const std::string folder = folder_of(path); !folder.empty()) return read_folder(folder);
  if (is_gguf(path)) return read_gguf_vocabulary(path);
  if (is_pickle(path)) return read_meta_pkl(path);
  return read_llmc_vocabulary(path, read_llmc_file(path));
}

// What a vocabulary has that only Hugging Face's files can say, or null.
const char* own_setting(const BpeModel& model) {
  const auto has_settings = [](const SpecialToken& token) {
    return token.settings.lstrip || token.settings.rstrip || token.settings.single_word;
  };
  if (std::any_of(model.special.begin(), model.special.end(), has_settings))
    return "a special token with lstrip, rstrip or single_word";
  if (model.add_prefix_space) return "add_prefix_space";
  if (!model.beginning.empty()) return "tokens before every text";
  if (model.ignore_merges) return "ignore_merges";
  if (!model.use_pattern) return "use_regex false";
  if (std::count(model.byte_ids.begin(), model.byte_ids.end(), -1) > 0) return "a byte without a token";
  const auto is_hole = [](const std::string& piece) { return piece.empty(); };
  if (std::any_of(model.pieces.begin(), model.pieces.end(), is_hole)) return "an id without a token";
  return nullptr;
}

// The vocabulary of a tokenizer that other formats than Hugging Face's files can express. Throws Error for any other.
BpeModel read_plain(const std::string& path, const char* format) {
  AnyModel model = read_model(path);
  if (std::holds_alternative<CharacterModel>(model))
    throw UnreadTokenizer("tokenizer " + path + ": " + format + ": expected GPT-2's kind, found a table of characters");
  BpeModel* bpe = std::get_if<BpeModel>(&model);
  const char* found = bpe ? own_setting(*bpe) : "WordPiece";
  if (found) fail("tokenizer ", path, ": ", format, ": expected GPT-2's kind without special settings, found ", found);
  return std::move(*bpe);
}

// OpenAI's names are written as those that other programs know.
std::vector<TokenizerFile> copied_files(const fs::path& folder) {
  std::vector<TokenizerFile> files;
  const bool is_openai = !is_there(folder / "vocab.json") && !is_there(folder / "merges.txt");
  for (const char* name : kHuggingfaceTokenizerNames) {
    if (is_there(folder / name)) files.push_back({name, read_token_file(folder / name)});
  }
  for (const auto& [name, known] : {std::pair("encoder.json", "vocab.json"), {"vocab.bpe", "merges.txt"}}) {
    if (is_openai && is_there(folder / name)) files.push_back({known, read_token_file(folder / name)});
  }
  return files;
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::open(const std::string& path) {
  AnyModel model = read_model(path);
  if (auto* bpe = std::get_if<BpeModel>(&model)) return make_bpe_tokenizer(std::move(*bpe));
  if (auto* table = std::get_if<CharacterModel>(&model)) return make_character_tokenizer(std::move(*table));
  return make_wordpiece_tokenizer(std::move(std::get<WordPieceModel>(model)));
}

std::string no_tokenizer_reason(const std::string& path) {
  constexpr std::pair<const char*, const char*> kOthers[] = {
      {"spiece.model", "a model of SentencePiece"},
      {"sentencepiece.bpe.model", "a model of SentencePiece"},
      {"tokenizer.model", "a model of SentencePiece"},
      {"tiktoken.model", "a file of tiktoken"},
  };
  if (!is_there(path)) return "";
  const fs::path folder = is_folder(path) ? fs::path(path) : fs::path(path).parent_path();
  for (const auto& [name, kind] : kOthers) {
    if (is_there(folder / name)) return std::string(name) + ", " + kind + ", which is not read";
  }
  for (const auto& [one, other] : {std::pair("vocab.json", "merges.txt"), {"encoder.json", "vocab.bpe"}}) {
    if (is_there(folder / one) != is_there(folder / other))
      return is_there(folder / one) ? std::string(one) + " without " + other : std::string(other) + " without " + one;
  }
  return "";
}

std::vector<TokenizerFile> tokenizer_files(const std::string& path, TokenizerFormat format) {
  const std::string folder = folder_of(path);
  const bool is_file = folder.empty() && !is_gguf(path);
  if (format == TokenizerFormat::llmc) {
    const BpeModel vocabulary = read_plain(path, "llm.c's tokenizer file");
    return {{kLlmcTokenizerName, is_file ? read_file(path) : write_llmc_vocabulary(path, vocabulary)}};
  }
  if (folder.empty() && is_pickle(path))
    return read_meta_pkl(path), std::vector{TokenizerFile{kMetaPkl, read_file(path)}};
  if (folder.empty()) return write_huggingface_vocabulary(path, read_plain(path, "vocab.json"));
  read_model(path);
  return copied_files(folder);
}

TokenTable token_table(const std::string& path) {
  const BpeModel vocabulary = read_plain(path, "GGUF");
  TokenTable table{.tokens = {}, .merges = {}, .end_of_text = vocabulary.end_of_text};
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    const bool special = is_special(vocabulary, static_cast<int32_t>(id));
    table.tokens.push_back({special ? piece : letters_of_bytes(piece), special});
  }
  const auto text_of = [&](int32_t id) { return table.tokens[static_cast<size_t>(id)].text; };
  for (const Merge& merge : vocabulary.merges) table.merges.push_back(text_of(merge.left) + " " + text_of(merge.right));
  return table;
}

}  // namespace gpt2run
