// Changed tokenizer files: whatever they hold, they open or are an Error.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/memory_file.hpp"
#include "support/program.hpp"
#include "tokenizer/small_json.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;

// Changes of a few bytes, pieces of a file put elsewhere, and cuts: each opens and works, or is an Error.
// GPT2RUN_MUTATIONS says how many are tried, of which this is one part in `share`.
void mutate(const char* name, const std::string& whole, uint64_t seed, long share = 1) {
  const char* given = std::getenv("GPT2RUN_MUTATIONS");
  const long count = (given ? std::atol(given) : 20'000) / share;
  const MemoryFile file;
  ScratchFolder folder;
  std::filesystem::create_symlink(file.path(), folder.path() / name);
  std::mt19937_64 random(seed);
  long opened = 0, refused = 0;
  for (long i = 0; i < count; ++i) {
    std::string bytes = random() % 16 ? whole : whole.substr(0, random() % (whole.size() + 1));
    for (uint64_t changes = random() % 3 + (bytes.size() == whole.size()); changes > 0 && !bytes.empty(); --changes) {
      constexpr char kValues[] = "\0\n\x7f\x80\xff\"\\[]{},:0159-e# ";
      const size_t at = random() % bytes.size();
      const std::string piece = whole.substr(random() % whole.size(), random() % 12);
      switch (random() % 3) {
        case 0:
          bytes[at] = kValues[random() % (sizeof kValues - 1)];
          break;
        case 1:
          bytes[at] = static_cast<char>(random());
          break;
        default:
          bytes.replace(at, random() % 12, piece);
      }
    }
    file.write(bytes);
    try {
      const auto tokenizer = Tokenizer::open(folder.path().string());
      ++opened;
      tokenizer->decode(tokenizer->encode("ab the there \u4f60\xff <|endoftext|> [CLS]"));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GE(opened + refused, count);
  EXPECT_GT(opened, 0);
  EXPECT_GT(refused, 0);
}

TEST(TokenizerMutations, NoTokenizerJsonCrashes) { mutate("tokenizer.json", small_json().dump(), 1); }

TEST(TokenizerMutations, NoWordPieceJsonCrashes) {
  json whole = small_json();
  whole["normalizer"] = {
      {"type", "BertNormalizer"}, {"clean_text", true}, {"handle_chinese_chars", true}, {"lowercase", true}};
  whole["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  whole["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  whole["model"] = {{"type", "WordPiece"},
                    {"unk_token", "a"},
                    {"continuing_subword_prefix", "##"},
                    {"max_input_chars_per_word", 9},
                    {"vocab", {{"a", 0}, {"the", 1}, {"##re", 2}, {"<|endoftext|>", 5}}}};
  mutate("tokenizer.json", whole.dump(), 2, 4);
}

TEST(TokenizerMutations, NoVocabTxtCrashes) { mutate("vocab.txt", kSmallVocab, 3); }

}  // namespace
}  // namespace gpt2run::test
