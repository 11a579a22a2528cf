// What a tokenizer promises beyond the golden ids: any bytes come back, any order of ids works, threads share it.
#include "gpt2run/tokenizer.hpp"

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

TEST(Tokenizer, StrayBytesAreMarks) {
  struct Case {
    std::string text;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {"the\xFFthe", {"the", "\xFF", "the"}},
      {" \x80the", {" \x80", "the"}},                             // a continuation byte alone; the blank joins it
      {"the\xC3 the", {"the", "\xC3", " the"}},                   // cut off before a blank
      {"\xE4\xB8the", {"\xE4\xB8", "the"}},                       // cut off after two of three
      {"the\xE4\xB8", {"the", "\xE4\xB8"}},                       // at the end of the text
      {"the\xC0\xA0the", {"the", "\xC0\xA0", "the"}},             // a blank in two bytes is none
      {"the\xC1\xA1the", {"the", "\xC1\xA1", "the"}},             // nor is a letter
      {"the\xE0\x83\xA9the", {"the", "\xE0\x83\xA9", "the"}},     // nor one in three
      {"1\xED\xA0\x80\x31", {"1", "\xED\xA0\x80", "1"}},          // a surrogate
      {"1\xF4\x90\x80\x80\x31", {"1", "\xF4\x90\x80\x80", "1"}},  // above U+10FFFF
      {"1\xF8\x88\x80\x80\x80!", {"1", "\xF8\x88\x80\x80\x80!"}},
      {"  \xFF", {" ", " \xFF"}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(demo().encode(c.text), encode_parts(c.parts))
        << json(c.text).dump(-1, ' ', true, json::error_handler_t::replace);
    EXPECT_EQ(demo().decode(demo().encode(c.text)), c.text);
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
