// llm.c's tokenizer file: the ids of vocab.json and merges.txt, conversion both ways, and one line for each bad file.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "tokenizer/demo_folder.hpp"

namespace gpt2run::test {
namespace {

const std::filesystem::path kShared = std::filesystem::path(SOURCE_DIR) / "../shared/data";

std::string words(std::initializer_list<uint32_t> given) {
  uint32_t header[256] = {};
  std::copy(given.begin(), given.end(), header);
  return {reinterpret_cast<const char*>(header), sizeof header};
}

// As llm.c's script writes it, from what a tokenizer says about its ids.
std::string file_of(const Tokenizer& tokenizer, uint32_t version) {
  const auto size = static_cast<uint32_t>(tokenizer.size());
  std::string bytes = words({20240328, version, size, version == 2 ? size - 1 : 0});
  for (int32_t id = 0; id < tokenizer.size(); ++id) {
    const std::string_view piece = tokenizer.piece(id);
    (bytes += static_cast<char>(piece.size())) += piece;
  }
  return bytes;
}

// Any Unicode: half of it near the planes' beginnings, where vocabularies have merges.
std::string random_text(std::mt19937& random) {
  std::string text;
  for (size_t i = random() % 80; i > 0; --i) {
    const uint32_t kind = random() % 4;
    const uint32_t c = kind == 0   ? random() % 128
                       : kind == 1 ? 'a' + random() % 26
                       : kind == 2 ? random() % 0x3000
                                   : random() % 0x110000;
    if (c < 0x80) {
      text += static_cast<char>(c);
    } else if (c < 0x800) {
      text += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      text += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
               static_cast<char>(0x80 | (c & 63))};
    } else {
      text += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
               static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
    }
    if (random() % 20 == 0) text += "<|endoftext|>";
  }
  return text;
}

void expect_same(const Tokenizer& found, const Tokenizer& expected, const std::vector<std::string>& texts) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_EQ(found.end_of_text(), expected.end_of_text());
  for (int32_t id = 0; id < expected.size(); ++id) ASSERT_EQ(found.piece(id), expected.piece(id)) << id;
  std::mt19937 random(11);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random);
    ASSERT_EQ(found.encode(text), expected.encode(text)) << text;
  }
  // Each token alone, in the middle of a piece and twice: every merge is met.
  for (int32_t id = 0; id < expected.size(); ++id) {
    const std::string piece(expected.piece(id));
    ASSERT_EQ(found.encode(piece + " x" + piece + piece), expected.encode(piece + " x" + piece + piece)) << id;
  }
  for (const std::string& text : texts) EXPECT_EQ(found.encode(text), expected.encode(text));
}

void expect_llmc_equals(const std::filesystem::path& folder, const std::vector<std::string>& texts) {
  const auto expected = Tokenizer::open(folder);
  ScratchFolder scratch;
  for (const uint32_t version : {1u, 2u}) {
    SCOPED_TRACE(version);
    expect_same(*Tokenizer::open(scratch.file("t.bin", file_of(*expected, version))), *expected, texts);
  }
}

TEST(LlmcTokenizer, DemoVocabulary) {
  expect_llmc_equals(demo_folder(), {read_whole(demo_folder() / "README.md"),
                                     read_whole(std::filesystem::path(SOURCE_DIR) / "docs/formats.md")});
}

TEST(LlmcTokenizer, Gpt2VocabularyOnSharedTexts) {
  if (!std::filesystem::exists(kShared / "gpt2")) GTEST_SKIP() << "SKIPPED: no GPT-2 vocabulary in " << kShared;
  std::vector<std::string> texts;
  for (const char* file : {"tales/heldback.txt", "ptb/ptb.test.txt", "prompts/input.txt"}) {
    texts.push_back(read_whole(kShared / file));
    EXPECT_FALSE(texts.back().empty()) << file;
  }
  expect_llmc_equals(kShared / "gpt2", texts);
}

// There and back: llm.c's file is the same to the byte, and the folder between has the merges of the one it came from.
void expect_round_trip(const std::filesystem::path& folder) {
  const auto llmc = tokenizer_files(folder, TokenizerFormat::llmc);
  ASSERT_EQ(llmc.size(), 1u);
  EXPECT_EQ(llmc[0].name, "gpt2_tokenizer.bin");
  EXPECT_EQ(llmc[0].bytes, file_of(*Tokenizer::open(folder), 2));
  ScratchFolder scratch;
  const std::string file = scratch.file("gpt2_tokenizer.bin", llmc[0].bytes);
  EXPECT_EQ(tokenizer_files(file, TokenizerFormat::llmc)[0].bytes, llmc[0].bytes);
  const std::string back = scratch.folder("back");
  for (const TokenizerFile& one : tokenizer_files(file, TokenizerFormat::huggingface)) {
    scratch.file("back/" + one.name, one.bytes);
  }
  EXPECT_EQ(read_whole(back + "/merges.txt"), read_whole(folder / "merges.txt"));
  EXPECT_EQ(tokenizer_files(back, TokenizerFormat::llmc)[0].bytes, llmc[0].bytes);
}

TEST(LlmcTokenizer, RoundTripOfTheDemoVocabulary) { expect_round_trip(demo_folder()); }

TEST(LlmcTokenizer, RoundTripOfGpt2sVocabulary) {
  if (!std::filesystem::exists(kShared / "gpt2")) GTEST_SKIP() << "SKIPPED: no GPT-2 vocabulary in " << kShared;
  expect_round_trip(kShared / "gpt2");
}

TEST(LlmcTokenizer, FolderIsCopied) {
  for (const TokenizerFile& file : tokenizer_files(demo_folder(), TokenizerFormat::huggingface)) {
    EXPECT_EQ(file.bytes, read_whole(demo_folder() / file.name)) << file.name;
  }
}

std::string token(const std::string& bytes) { return static_cast<char>(bytes.size()) + bytes; }

// 256 bytes in ascending order, then `more`, of which the last is the end of text.
std::string small_file(const std::vector<std::string>& more, uint32_t version = 2) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += token(std::string(1, static_cast<char>(byte)));
  for (const std::string& one : more) bytes += token(one);
  const auto count = static_cast<uint32_t>(256 + more.size());
  return words({20240328, version, count, version == 2 ? count - 1 : 0}) + bytes;
}

std::unique_ptr<Tokenizer> open(const std::string& bytes) {
  ScratchFolder scratch;
  return Tokenizer::open(scratch.file("t.bin", bytes));
}

using Ids = std::vector<int32_t>;

// "abcd" has no parts in two, "he" comes twice, "theh" needs a later token.
TEST(LlmcTokenizer, TokensThatNoMergeMakesAreOnlyDecoded) {
  const auto tokenizer = open(small_file({"he", "abcd", "he", "the", "<|endoftext|>"}));
  EXPECT_EQ(tokenizer->encode("the he"), (Ids{259, ' ', 256}));
  EXPECT_EQ(tokenizer->encode("abcd"), (Ids{'a', 'b', 'c', 'd'}));
  EXPECT_EQ(tokenizer->decode(Ids{257, 258}), "abcdhe");
  EXPECT_EQ(tokenizer->encode("<|endoftext|>"), Ids{260});
}

TEST(LlmcTokenizer, Version1KnowsTheEndOfTextByItsSpelling) {
  EXPECT_EQ(open(small_file({"he", "<|endoftext|>"}, 1))->end_of_text(), 257);
  EXPECT_EQ(open(small_file({"he"}, 1))->end_of_text(), -1);
}

std::string refusal_of(const std::string& bytes) {
  return error_of([&] { open(bytes); });
}

std::string with_word(std::string bytes, int index, uint32_t value) {
  std::memcpy(bytes.data() + 4 * index, &value, 4);
  return bytes;
}

TEST(LlmcTokenizer, EveryTruncationIsRefused) {
  const std::string whole = small_file({"he", "the", "<|endoftext|>"});
  EXPECT_EQ(open(whole)->size(), 259);
  for (size_t size = 4; size < whole.size(); size += size < 1024 ? 60 : 7) {
    const std::string error = refusal_of(whole.substr(0, size));
    EXPECT_TRUE(has_word(error, "expected")) << error;
    EXPECT_TRUE(has_word(error, size < 1024 ? std::to_string(size) : "259")) << error;
  }
  EXPECT_THAT(refusal_of(whole.substr(0, 4)), IsMessage("1024", "4"));
  EXPECT_THAT(refusal_of(whole.substr(0, 1024)), IsMessage("259", "token 0"));
  EXPECT_THAT(refusal_of(whole + "x"), IsMessage("259", std::to_string(whole.size() + 1)));
  for (size_t size = 0; size < 4; ++size) EXPECT_THAT(refusal_of(whole.substr(0, size)), IsMessage("expected")) << size;
}

TEST(LlmcTokenizer, HeadersThatLieAreRefused) {
  const std::string whole = small_file({"he", "the", "<|endoftext|>"});
  EXPECT_THAT(refusal_of(with_word(whole, 0, 20240326)), IsMessage("expected"));
  EXPECT_THAT(refusal_of(with_word(whole, 0, __builtin_bswap32(20240328))), IsMessage("big-endian"));
  for (const uint32_t version : {0u, 3u, UINT32_MAX})
    EXPECT_THAT(refusal_of(with_word(whole, 1, version)), IsMessage("version:", std::to_string(version)));
  for (const uint32_t count : {0u, 255u, 262144u, UINT32_MAX})
    EXPECT_THAT(refusal_of(with_word(whole, 2, count)),
                IsMessage("number of tokens", "256", "262143", std::to_string(count)));
  EXPECT_THAT(refusal_of(with_word(whole, 2, 258)), IsMessage("258", std::to_string(whole.size())));
  EXPECT_THAT(refusal_of(with_word(whole, 2, 262143)), IsMessage("262143", "token 259"));
  for (const uint32_t end : {259u, UINT32_MAX})
    EXPECT_THAT(refusal_of(with_word(whole, 3, end)), IsMessage("end of text", "259", std::to_string(end)));
}

TEST(LlmcTokenizer, BadTokensAreRefused) {
  EXPECT_THAT(refusal_of(small_file({"he", "", "<|endoftext|>"})), IsMessage("token 257"));
  std::string bytes = small_file({"he", "<|endoftext|>"});
  bytes[1024 + 2 * 'q' + 1] = 'r';
  EXPECT_THAT(refusal_of(bytes), IsMessage("256", "byte 113"));
}

// The longest file with the longest tokens takes the time of its length, not of the square of it.
TEST(LlmcTokenizer, LongTokensDoNotHang) {
  std::vector<std::string> more;
  for (int i = 0; i < 2000; ++i) more.push_back(std::string(1 + static_cast<size_t>(i) % 255, 'a'));
  more.push_back("<|endoftext|>");
  EXPECT_EQ(open(small_file(more))->size(), 2257);
}

TEST(LlmcTokenizer, WhatTheFileCannotSayIsRefused) {
  const auto convert = [](const std::string& merges, const std::string& added = "{}") {
    ScratchFolder folder;
    const std::string whole = small_file({"he", "the", "<|endoftext|>"});
    for (const TokenizerFile& file :
         tokenizer_files(folder.file("t.bin", whole).string(), TokenizerFormat::huggingface)) {
      folder.file(file.name, file.bytes);
    }
    if (!merges.empty()) folder.file("merges.txt", merges);
    folder.file("added_tokens.json", added);
    return tokenizer_files(folder.path().string(), TokenizerFormat::llmc)[0].bytes;
  };
  EXPECT_EQ(convert(""), small_file({"he", "the", "<|endoftext|>"}));
  const auto refused = [&](const auto&... files) { return error_of([&] { convert(files...); }); };
  EXPECT_THAT(refused("t he\nh e\n"), IsMessage("merge 1"));
  EXPECT_THAT(refused("h e\n"), IsMessage("merge 2 of 1"));
  EXPECT_THAT(refused("", R"({"<pad>": 259})"), IsMessage("id 259"));
  EXPECT_THAT(refused("", "{\"" + std::string(256, 'x') + "\": 259}"), IsMessage("id 259"));
}

}  // namespace
}  // namespace gpt2run::test
