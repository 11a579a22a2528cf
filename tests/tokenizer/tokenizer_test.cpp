// What a tokenizer promises beyond the golden ids: any bytes come back, any order of ids works, threads share it.
#include "gpt2run/tokenizer/tokenizer.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "gpt2run/error.hpp"
#include "support/program.hpp"
#include "tokenizer/demo_folder.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

const Tokenizer& demo() {
  static const auto tokenizer = Tokenizer::open(demo_folder());
  return *tokenizer;
}

// Pieces as the tokenizer must have cut them: tokens never cross a cut, so they are the tokens of the parts.
Ids encode_parts(const std::vector<std::string>& parts) {
  Ids ids;
  for (const std::string& part : parts) {
    const Ids more = demo().encode(part);
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

// After a letter 's is one piece, after a mark it is none: this tells how the bytes before it are read.
TEST(Tokenizer, StrayBytesAreMarks) {
  ASSERT_NE(encode_parts({"'s"}), encode_parts({"'", "s"}));
  for (const std::string letter : {"e", "\u00e9", "\u4e2d", "\U00010400"}) {
    EXPECT_EQ(demo().encode(letter + "'s"), encode_parts({letter, "'s"})) << letter;
  }
  const std::string strays[] = {
      "\xFF",
      "\xA9",              // the end of a letter
      "\xC3",              // the beginning of a letter
      "\xE4\xB8",          // two bytes of a letter's three
      "\xF0\x90\x90",      // three of four
      "\xC1\xA1",          // letters in more bytes than they need
      "\xE0\x83\xA9",      //
      "\xF0\x80\x83\xA9",  //
      "\xC0\xA0",          // white space likewise
      "\xE0\x82\xA0",      //
      "\xED\xA0\x80",      // a surrogate
      "\xF4\x90\x80\x80",  // above U+10FFFF
      "\xF8\x90\x90\x80",  // a letter, if the lead byte were one
  };
  for (const std::string& stray : strays) {
    const std::string name = json(stray + "'s").dump(-1, ' ', true, json::error_handler_t::replace);
    EXPECT_EQ(demo().encode(stray + "'s the"), encode_parts({stray + "'", "s", " the"})) << name;
    EXPECT_EQ(demo().encode(stray + "\u00e9's"), encode_parts({stray, "\u00e9", "'s"})) << name;
    EXPECT_EQ(demo().decode(demo().encode("the" + stray)), "the" + stray) << name;
  }
}

// Nothing lies behind these texts, so that a sanitizer sees a read beyond their ends.
TEST(Tokenizer, TextEndsWhereItsViewEnds) {
  const std::string text = "it's \u4e2d\u00e9'";
  for (size_t end = 0; end <= text.size(); ++end) {
    const std::vector<char> exact(text.begin(), text.begin() + static_cast<ptrdiff_t>(end));
    const std::string_view view(exact.data(), exact.size());
    EXPECT_EQ(demo().decode(demo().encode(view)), view) << end;
  }
}

TEST(Tokenizer, AnyBytesComeBack) {
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 100, '\0');
    const uint32_t mask = i % 2 == 0 ? 0xFF : 0xE3;  // the second kind has many near-sequences
    for (char& c : text) c = static_cast<char>(random() & mask);
    ASSERT_EQ(demo().decode(demo().encode(text)), text);
    ASSERT_EQ(demo().decode(demo().encode(text, false)), text);
  }
  std::string bytes;
  for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<char>(b));
  EXPECT_EQ(demo().decode(demo().encode(bytes)), bytes);
}

TEST(Tokenizer, EndOfText) {
  EXPECT_EQ(demo().size(), 4096);
  EXPECT_EQ(demo().end_of_text(), 4095);
  EXPECT_EQ(demo().piece(4095), "<|endoftext|>");
  EXPECT_EQ(demo().encode("<|endoftext|>"), Ids{4095});
  EXPECT_EQ(demo().encode("<|endoftext|>", false), encode_parts({"<|", "endoftext", "|>"}));
}

TEST(Tokenizer, PieceChecksItsId) {
  for (const int32_t id : {-1, 4096, INT32_MAX, INT32_MIN}) {
    try {
      demo().piece(id);
      ADD_FAILURE() << "no error for id " << id;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()), "token id: expected 0 to 4095, found " + std::to_string(id));
    }
    EXPECT_THROW(demo().decode(Ids{1, id}), Error);
  }
}

// Bytes, merged tokens and end of text anywhere: ids mean what vocab.json says.
TEST(Tokenizer, AnyOrderOfIds) {
  ScratchFolder folder;
  const auto moved = [](int32_t id) { return (id * 1237 + 99) % 4096; };
  const json plain = json::parse(read_whole(demo_folder() / "vocab.json"));
  json vocab;
  for (const auto& [token, id] : plain.items()) vocab[token] = moved(id);
  folder.file("vocab.json", vocab.dump());
  folder.file("merges.txt", read_whole(demo_folder() / "merges.txt"));
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->end_of_text(), moved(4095));
  const std::string text = "The fox's 3 wishes, \u00e4\u4e2d\xFF\n\n  said she.<|endoftext|>Unbelievably so";
  Ids expected = demo().encode(text);
  for (int32_t& id : expected) id = moved(id);
  EXPECT_EQ(tokenizer->encode(text), expected);
  EXPECT_EQ(tokenizer->decode(expected), text);
}

TEST(Tokenizer, ThreadsShareIt) {
  const std::string text = read_whole(demo_folder() / "README.md");
  const Ids expected = demo().encode(text);
  std::vector<Ids> found(4);
  std::vector<std::thread> threads;
  for (Ids& ids : found) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) ids = demo().encode(text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_EQ(ids, expected);
}

}  // namespace
}  // namespace gpt2run::test
