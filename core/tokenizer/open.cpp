// Tokenizer::open, which chooses the file format by what it finds at the path.
#include <algorithm>
#include <filesystem>

#include "byte_letters.hpp"
#include "gguf.hpp"
#include "gpt2run/error.hpp"
#include "gpt2run/files/input_file.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "huggingface.hpp"
#include "llmc.hpp"

namespace gpt2run {
namespace {

namespace fs = std::filesystem;

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// Returns the bytes of llm.c's tokenizer file. Throws Error for any other file.
std::string read_llmc_file(const std::string& path) {
  std::error_code error;
  const auto status = fs::status(path, error);
  std::string found = "a file of another kind";
  if (fs::is_regular_file(status)) {
    std::string bytes = read_file(path);
    if (first_word(bytes) == kLlmcTokenizerMagic) return bytes;
    if (first_word(bytes) == __builtin_bswap32(kLlmcTokenizerMagic)) found = "such a file in big-endian order";
  } else if (status.type() == fs::file_type::not_found) {
    found = "nothing";
  } else if (error) {
    found = error.message();
  }
  fail(path, ": expected a folder with vocab.json and merges.txt, a GGUF file, or llm.c's tokenizer file, found ",
       found);
}

BpeModel read_vocabulary(const std::string& path) {
  if (is_folder(path)) return read_huggingface_vocabulary(path);
  if (is_gguf(path)) return read_gguf_vocabulary(path);
  return read_llmc_vocabulary(path, read_llmc_file(path));
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::open(const std::string& path) {
  return make_bpe_tokenizer(read_vocabulary(path));
}

std::vector<TokenizerFile> tokenizer_files(const std::string& path, TokenizerFormat format) {
  const BpeModel vocabulary = read_vocabulary(path);
  if (format == TokenizerFormat::llmc) {
    const bool same = !is_folder(path) && !is_gguf(path);
    return {{kLlmcTokenizerName, same ? read_file(path) : write_llmc_vocabulary(path, vocabulary)}};
  }
  if (!is_folder(path)) return write_huggingface_vocabulary(path, vocabulary);
  std::vector<TokenizerFile> files;
  for (const char* name : kHuggingfaceTokenizerNames) {
    if (fs::exists(fs::path(path) / name)) files.push_back({name, read_file(fs::path(path) / name)});
  }
  return files;
}

TokenTable token_table(const std::string& path) {
  const BpeModel vocabulary = read_vocabulary(path);
  TokenTable table{.tokens = {}, .merges = {}, .end_of_text = vocabulary.end_of_text};
  for (size_t id = 0; id < vocabulary.pieces.size(); ++id) {
    const std::string& piece = vocabulary.pieces[id];
    const bool special = std::binary_search(vocabulary.special.begin(), vocabulary.special.end(), id);
    table.tokens.push_back({special ? piece : letters_of_bytes(piece), special});
  }
  const auto text_of = [&](int32_t id) { return table.tokens[static_cast<size_t>(id)].text; };
  for (const Merge& merge : vocabulary.merges) table.merges.push_back(text_of(merge.left) + " " + text_of(merge.right));
  return table;
}

}  // namespace gpt2run
