// BERT's vocab.txt: ids, what is shown, and one line for each bad file.
#include <gtest/gtest.h>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/sanitizers.hpp"
#include "tokenizer/small_json.hpp"

namespace gpt2run::test {
namespace {

using Ids = std::vector<int32_t>;

struct VocabFolder : ScratchFolder {
  explicit VocabFolder(const std::string& config = "", const std::string& vocab = kSmallVocab) {
    file("vocab.txt", vocab);
    if (!config.empty()) file("tokenizer_config.json", config);
  }
  std::unique_ptr<Tokenizer> open() const { return Tokenizer::open(path().string()); }
  Ids encode(const std::string& text, bool special = true) const { return open()->encode(text, special); }
};

TEST(WordPiece, WordsAndChineseCharacters) {
  const VocabFolder folder;
  EXPECT_EQ(folder.encode("\u4f60\u597dThere.  Caf\u00e9 x"), (Ids{5, 6, 7, 8, 9, 10, 1}));
  EXPECT_EQ(folder.encode("[CLS]\u4f60[MASK] [cls]"), (Ids{2, 5, 4, 1, 1, 1}));
  EXPECT_EQ(folder.encode("[CLS]", false), (Ids{1, 1, 1}));
  EXPECT_EQ(folder.encode(""), Ids());
  EXPECT_EQ(folder.encode("\xff"
                          "the\xff"),
            Ids{7});
  EXPECT_EQ(folder.open()->size(), 11);
  EXPECT_EQ(folder.open()->end_of_text(), -1);
}

TEST(WordPiece, SettingsOfTheConfig) {
  EXPECT_EQ(VocabFolder(R"({"do_lower_case": false})").encode("The the Caf\u00e9"), (Ids{1, 7, 1}));
  EXPECT_EQ(VocabFolder(R"({"strip_accents": false})").encode("Cafe Caf\u00e9"), (Ids{10, 1}));
  EXPECT_EQ(VocabFolder(R"({"tokenize_chinese_chars": false})").encode("\u4f60 \u4f60\u597d"), (Ids{5, 1}));
  EXPECT_EQ(VocabFolder(R"({"unk_token": "."})").encode("x"), Ids{9});
  EXPECT_EQ(VocabFolder(R"({"eos_token": "[SEP]"})").open()->end_of_text(), 3);
}

// Pieces are what is shown behind other tokens: they begin with a blank, unless they go on with a word or close one.
TEST(WordPiece, WhatIsShown) {
  const auto tokenizer = VocabFolder().open();
  EXPECT_EQ(tokenizer->piece(5), " \u4f60");
  EXPECT_EQ(tokenizer->piece(8), "re");
  EXPECT_EQ(tokenizer->piece(9), ".");
  EXPECT_EQ(tokenizer->decode(Ids{2, 5, 7, 8, 9}), "[CLS] \u4f60 there.");
  EXPECT_EQ(tokenizer->decode(Ids{8, 9}), "##re.");
  EXPECT_EQ(tokenizer->decode(Ids()), "");
  EXPECT_THROW(tokenizer->piece(11), Error);
  EXPECT_THROW(tokenizer->piece(-1), Error);
}

// As the library that reads the file: the last of equal lines counts, and an empty line is an id without a token.
TEST(WordPiece, Lines) {
  const VocabFolder folder("", "[UNK]\r\na\n\n a\u3000\na\nb");
  EXPECT_EQ(folder.open()->size(), 6);
  EXPECT_EQ(folder.encode("a b c"), (Ids{4, 5, 0}));
  EXPECT_EQ(folder.open()->piece(1), "");
  EXPECT_EQ(folder.open()->piece(2), "");
}

TEST(WordPiece, EachMistakeIsOneLine) {
  const auto expect = [](const std::string& config, const std::string& vocab, const auto&... words) {
    const VocabFolder folder(config, vocab);
    EXPECT_THAT(error_of([&] { folder.encode("x"); }), IsMessage(words...));
  };
  expect("", "", "vocab.txt", "empty file");
  expect("", "\n\n", "vocab.txt", "token", "none");
  expect("", "a\nb\n", "\"x\"");
  expect(R"({"do_lower_case": 1})", kSmallVocab, "tokenizer_config.json", "do_lower_case", "1");
  expect(R"({"tokenizer_class": "BertJapaneseTokenizer"})", kSmallVocab, "tokenizer_config.json",
         "\"BertJapaneseTokenizer\"");
  expect("", std::string(262144, '\n'), "vocab.txt", "262143");
}

// A word of a million letters, each of which begins another token.
TEST(WordPiece, LongWordsTakeTheTimeOfTheirLength) {
  SKIP_UNDER_ASAN(kSlowUnderAsan);
  std::string vocab = "[UNK]\na\n##a\n";
  for (int i = 2; i < 2000; ++i) vocab += "##" + std::string(static_cast<size_t>(i), 'a') + "b\n";
  const VocabFolder folder("", vocab);
  EXPECT_EQ(folder.encode(std::string(1 << 20, 'a')), Ids{0});
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += std::string(99, 'a') + ' ';
  EXPECT_EQ(folder.encode(text).size(), 990'000u);
}

TEST(WordPiece, OnlyItsOwnFilesCanBeWritten) {
  const VocabFolder folder(R"({"do_lower_case": false})");
  const auto files = tokenizer_files(folder.path().string(), TokenizerFormat::huggingface);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, "vocab.txt");
  EXPECT_EQ(files[0].bytes, kSmallVocab);
  EXPECT_THAT(error_of([&] { tokenizer_files(folder.path().string(), TokenizerFormat::llmc); }),
              IsMessage("WordPiece", "llm.c"));
  EXPECT_THAT(error_of([&] { token_table(folder.path().string()); }), IsMessage("WordPiece", "GGUF"));
}

}  // namespace
}  // namespace gpt2run::test
