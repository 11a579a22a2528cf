// The ids of Hugging Face tokenizers and of tiktoken, from tests/golden/tokenizer/ids.json, which
// scripts/make_tokenizer_goldens.py writes.
#include <gtest/gtest.h>

#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/program.hpp"
#include "tokenizer/demo_folder.hpp"
#include "tokenizer/golden_cases.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;

// Bytes are their own ids; each companion merges with each byte that begins a character.
void write_probe(const ScratchFolder& folder, const std::string& companions) {
  const auto demo = Tokenizer::open(demo_folder());
  const json demo_vocab = json::parse(read_whole(demo_folder() / "vocab.json"));
  std::string letters[256];
  for (const auto& [token, id] : demo_vocab.items()) {
    const std::string_view bytes = demo->piece(id);
    if (bytes.size() == 1) letters[static_cast<uint8_t>(bytes[0])] = token;
  }
  json vocab;
  for (int byte = 0; byte < 256; ++byte) vocab[letters[byte]] = byte;
  std::string merges;
  for (const char c : companions) {
    const std::string& left = letters[static_cast<uint8_t>(c)];
    for (int lead = 0xC2; lead < 0xF5; ++lead) {
      merges += left + " " + letters[lead] + "\n";
      vocab.emplace(left + letters[lead], vocab.size());
    }
  }
  folder.file("vocab.json", vocab.dump());
  folder.file("merges.txt", merges);
}

TEST(TokenizerGolden, DemoVocabulary) { EXPECT_GT(check_all(*Tokenizer::open(demo_folder()), "demo", false), 40u); }

TEST(TokenizerGolden, DemoVocabularyOnSharedTexts) {
  if (!std::filesystem::exists(kShared)) GTEST_SKIP() << "SKIPPED: no shared texts in " << kShared;
  EXPECT_EQ(check_all(*Tokenizer::open(demo_folder()), "demo", true), 3u);
}

TEST(TokenizerGolden, Gpt2Vocabulary) {
  if (!std::filesystem::exists(kShared / "gpt2")) GTEST_SKIP() << "SKIPPED: no GPT-2 vocabulary in " << kShared;
  const auto tokenizer = Tokenizer::open(kShared / "gpt2");
  EXPECT_EQ(tokenizer->size(), 50257);
  EXPECT_EQ(tokenizer->end_of_text(), 50256);
  EXPECT_GT(check_all(*tokenizer, "gpt2", false), 40u);
  EXPECT_EQ(check_all(*tokenizer, "gpt2", true), 3u);
}

// Rare characters are single bytes in real vocabularies, whatever their class: this one tells the class of each.
TEST(TokenizerGolden, ClassOfEveryCodePoint) {
  const json golden_case = cases_of("probe", false).at(0);
  ScratchFolder folder;
  write_probe(folder, golden_case.at("companions"));
  check(*Tokenizer::open(folder.path().string()), golden_case);
}

TEST(TokenizerGolden, AddedTokens) {
  ScratchFolder folder;
  for (const char* name : {"vocab.json", "merges.txt"}) folder.file(name, read_whole(demo_folder() / name));
  json added;
  int32_t id = 4096;
  for (const std::string token : golden_ids().at("added")) added[token] = id++;
  folder.file("added_tokens.json", added.dump());
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->size(), id);
  EXPECT_GT(check_all(*tokenizer, "added", false), 30u);
}

}  // namespace
}  // namespace gpt2run::test
