// The tokenizer in a GGUF file: the ids of the same vocabulary in Hugging Face's files, and one clear line for each
// file that is wrong.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/gguf_file.hpp"
#include "support/messages.hpp"
#include "tokenizer/demo_folder.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;
using Texts = std::vector<std::string>;

constexpr int32_t kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5;

// What converters write for these tokens.
GgufFile file_of(const Texts& tokens, const std::vector<int32_t>& kinds, const Texts& merges) {
  GgufFile file;
  file.set("general.architecture", std::string("gpt2"));
  file.set("tokenizer.ggml.model", std::string("gpt2")).set("tokenizer.ggml.pre", std::string("gpt-2"));
  file.set("tokenizer.ggml.tokens", tokens).set("tokenizer.ggml.token_type", kinds);
  return file.set("tokenizer.ggml.merges", merges);
}

Texts demo_tokens() {
  const json vocab = json::parse(read_whole(demo_folder() / "vocab.json"));
  Texts tokens(vocab.size());
  for (const auto& [token, id] : vocab.items()) tokens[id.get<size_t>()] = token;
  return tokens;
}

Texts demo_merges() {
  Texts merges;
  std::ifstream file(demo_folder() / "merges.txt");
  for (std::string line; std::getline(file, line);)
    if (!line.starts_with("#version")) merges.push_back(line);
  return merges;
}

GgufFile demo_file() {
  const Texts tokens = demo_tokens();
  std::vector<int32_t> kinds(tokens.size(), kNormal);
  kinds.back() = kControl;
  return file_of(tokens, kinds, demo_merges()).set("tokenizer.ggml.eos_token_id", 4095u);
}

// 256 bytes, "he" 256, "the" 257, end of text 258.
GgufFile small_file() {
  Texts tokens = demo_tokens();
  tokens.resize(256);
  for (const char* more : {"he", "the", "<|endoftext|>"}) tokens.push_back(more);
  std::vector<int32_t> kinds(tokens.size(), kNormal);
  kinds.back() = kControl;
  return file_of(tokens, kinds, {"h e", "t he"}).set("tokenizer.ggml.eos_token_id", 258u);
}

class GgufTokenizer : public testing::Test {
 protected:
  std::string path_of(const GgufFile& file) { return folder_.file("model.gguf", file.bytes()).string(); }
  std::unique_ptr<Tokenizer> open(const GgufFile& file) { return Tokenizer::open(path_of(file)); }
  std::string refusal_of(const GgufFile& file) {
    try {
      open(file);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  template <class... Word>
  void expect_refused(const GgufFile& file, const Word&... words) {
    EXPECT_THAT(refusal_of(file), IsMessage((folder_.path() / "model.gguf:").string(), words...));
  }

  ScratchFolder folder_;
};

void expect_same(const Tokenizer& found, const Tokenizer& expected) {
  ASSERT_EQ(found.size(), expected.size());
  EXPECT_EQ(found.end_of_text(), expected.end_of_text());
  for (int32_t id = 0; id < expected.size(); ++id) ASSERT_EQ(found.piece(id), expected.piece(id)) << id;
  const std::string texts[] = {read_whole(demo_folder() / "README.md"),
                               "The fox's 3 wishes, \u00e4\u4e2d\xFF\n\n <|endoftext|> x"};
  for (const std::string& text : texts)
    for (const bool special : {true, false}) EXPECT_EQ(found.encode(text, special), expected.encode(text, special));
}

TEST_F(GgufTokenizer, IdsAndPiecesAreThoseOfTheFolder) {
  expect_same(*open(demo_file()), *Tokenizer::open(demo_folder()));
}

// What stands before the tokens may be longer than what is read at first.
TEST_F(GgufTokenizer, ManyBytesBeforeIt) {
  GgufFile file;
  file.set("general.description", std::string(5 << 20, 'x'));
  for (const auto& value : demo_file().values) file.values.push_back(value);
  GgufFile::Stored& tensor = file.tensor("a");
  tensor.shape = {1 << 20}, tensor.bytes = std::string(4 << 20, '\0');
  expect_same(*open(file), *Tokenizer::open(demo_folder()));
}

TEST_F(GgufTokenizer, OtherFormatsOfItAreThoseOfTheFolder) {
  const std::string path = path_of(demo_file());
  EXPECT_EQ(tokenizer_files(path, TokenizerFormat::llmc)[0].bytes,
            tokenizer_files(demo_folder(), TokenizerFormat::llmc)[0].bytes);
  const ScratchFolder back;
  for (const TokenizerFile& file : tokenizer_files(path, TokenizerFormat::huggingface))
    back.file(file.name, file.bytes);
  EXPECT_EQ(read_whole(back.path() / "tokenizer_config.json").find("additional_special_tokens"), std::string::npos);
  expect_same(*Tokenizer::open(back.path()), *Tokenizer::open(demo_folder()));
}

// They are looked for in a text, spelled as they are, and survive a conversion.
TEST_F(GgufTokenizer, SpecialTokens) {
  Texts tokens = demo_tokens();
  tokens.resize(256);
  for (const char* more : {"he", "the", "q\u00e4", "<|end|>", "[PAD0]", "[PAD1]"}) tokens.push_back(more);
  std::vector<int32_t> kinds(tokens.size(), kNormal);
  kinds[258] = kUserDefined, kinds[259] = kControl, kinds[260] = kinds[261] = kUnused;
  const std::string path = path_of(file_of(tokens, kinds, {"h e", "t he"}).set("tokenizer.ggml.eos_token_id", 259u));
  const ScratchFolder back;
  for (const TokenizerFile& file : tokenizer_files(path, TokenizerFormat::huggingface))
    back.file(file.name, file.bytes);
  for (const std::string& place : {path, back.path().string()}) {
    const auto tokenizer = Tokenizer::open(place);
    EXPECT_EQ(tokenizer->size(), 260);
    EXPECT_EQ(tokenizer->end_of_text(), 259);
    EXPECT_EQ(tokenizer->encode("the<|end|>heq\u00e4q"), (Ids{257, 259, 256, 258, tokenizer->encode("q")[0]}));
    EXPECT_EQ(tokenizer->decode(Ids{258, 259}), "q\u00e4<|end|>");
  }
}

TEST_F(GgufTokenizer, WhatTheFileMayLeaveOut) {
  GgufFile file = small_file();
  std::erase_if(file.values, [](const auto& value) {
    return value.first.ends_with("pre") || value.first.ends_with("type") || value.first.ends_with("eos_token_id");
  });
  const auto tokenizer = open(file);
  EXPECT_EQ(tokenizer->end_of_text(), 258);
  EXPECT_EQ(tokenizer->encode("the<|endoftext|>he"), (Ids{257, 258, 256}));
  EXPECT_EQ(open(small_file().set("tokenizer.ggml.eos_token_id", 300u))->end_of_text(), -1);
}

// Special tokens of many bytes are a mistake in the file.
TEST_F(GgufTokenizer, LongSpecialTokensAreRefused) {
  Texts tokens = demo_tokens();
  tokens.resize(256);
  tokens.push_back(std::string(1000, 'x'));
  std::vector<int32_t> kinds(257, kNormal);
  kinds[256] = kControl;
  EXPECT_EQ(open(file_of(tokens, kinds, {}))->encode(std::string(1001, 'x')).size(), 2u);
  tokens[256] += 'x';
  EXPECT_THAT(refusal_of(file_of(tokens, kinds, {})), IsMessage("token 256", "1000", "1001"));
  tokens[256].resize(1000);
  tokens.push_back(tokens[256]);
  kinds.push_back(kControl);
  expect_refused(file_of(tokens, kinds, {}), "id 257", "once", "id 256");
}

TEST_F(GgufTokenizer, EachMistakeIsOneLine) {
  const auto text = [](const char* value) { return std::string(value); };
  expect_refused(small_file().set("tokenizer.ggml.model", text("llama")), "tokenizer.ggml.model:", "gpt2", "\"llama\"");
  expect_refused(small_file().set("tokenizer.ggml.pre", text("qwen2")), "tokenizer.ggml.pre:", "gpt-2", "\"qwen2\"");
  expect_refused(small_file().set("tokenizer.ggml.tokens", 3u), "tokenizer.ggml.tokens:", "texts", "3");
  expect_refused(small_file().set("tokenizer.ggml.token_type", std::vector{1, 2}), "tokenizer.ggml.token_type:", "259",
                 "2");
  expect_refused(small_file().set("tokenizer.ggml.merges", Texts{"h e", "h"}), "merge 2:", "\"h\"");
  expect_refused(small_file().set("tokenizer.ggml.merges", Texts{"h e", "he t"}), "merge 2:", "\"het\"");
  expect_refused(small_file().set("tokenizer.ggml.merges", Texts{"h e", "t he", "h e"}), "merge 3:", "merge 1");
  expect_refused(small_file().set("tokenizer.ggml.merges", Texts()), "merges", "\"he\"");
  Texts tokens = demo_tokens();
  tokens.resize(259);
  std::swap(tokens[7], tokens[256]);
  tokens[256] = "xyz";
  expect_refused(small_file().set("tokenizer.ggml.tokens", tokens), "256", "byte 40");
  tokens[256] = "";
  expect_refused(small_file().set("tokenizer.ggml.tokens", tokens), "id 256");
  tokens[256] = tokens[9];
  expect_refused(small_file().set("tokenizer.ggml.tokens", tokens), "id 256", "once", "id 9");
  tokens.resize(255);
  GgufFile file = small_file().set("tokenizer.ggml.tokens", tokens);
  file.set("tokenizer.ggml.token_type", std::vector<int32_t>(255, kNormal));
  expect_refused(file, "256", "255");
  file = small_file();
  file.values.erase(file.values.begin() + 1, file.values.end());
  expect_refused(file, "no tokenizer");
}

}  // namespace
}  // namespace gpt2run::test
