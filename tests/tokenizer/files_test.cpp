// Tokenizer files: what is read from them, and one clear line for each that is wrong.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/program.hpp"
#include "tokenizer/demo_folder.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;

constexpr char kMerges[] = "#version: 0.2\nh e\nt he\n";

// 256 bytes, "he" 256, "the" 257, end of text 258.
json small_vocab() {
  const json demo = json::parse(read_whole(demo_folder() / "vocab.json"));
  json vocab;
  for (const auto& [token, id] : demo.items()) {
    if (id < 256) vocab[token] = id;
  }
  vocab["he"] = 256, vocab["the"] = 257, vocab["<|endoftext|>"] = 258;
  return vocab;
}

struct SmallFolder : ScratchFolder {
  SmallFolder() {
    file("vocab.json", small_vocab().dump());
    file("merges.txt", kMerges);
  }
};

TEST(TokenizerFiles, Small) {
  SmallFolder folder;
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->size(), 259);
  EXPECT_EQ(tokenizer->encode("the"), Ids{257});
  EXPECT_EQ(tokenizer->encode("the<|endoftext|>he"), (Ids{257, 258, 256}));
}

TEST(TokenizerFiles, MergesWithoutVersionAndWithCarriageReturns) {
  SmallFolder folder;
  folder.file("merges.txt", "h e\r\nt he\r\n");
  EXPECT_EQ(Tokenizer::open(folder.path().string())->encode("the"), Ids{257});
}

// An added token that is spelled like ordinary text is found in the text, and only there.
TEST(TokenizerFiles, AddedTokensOfTheConfig) {
  SmallFolder folder;
  folder.file(
      "tokenizer_config.json",
      json{{"added_tokens_decoder",
            {{"259", {{"content", "<eos>"}, {"lstrip", false}, {"special", true}}}, {"260", {{"content", "q\u00e4"}}}}},
           {"eos_token", {{"content", "<eos>"}}},
           {"pad_token", nullptr},
           {"model_max_length", 1024}}
          .dump());
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->size(), 261);
  EXPECT_EQ(tokenizer->end_of_text(), 259);
  EXPECT_EQ(tokenizer->encode("the<eos>the<|endoftext|>q\u00e4q"),
            (Ids{257, 259, 257, 258, 260, tokenizer->encode("q")[0]}));
  EXPECT_EQ(tokenizer->encode("q\u00e4", false).size(), 3u);
  EXPECT_EQ(tokenizer->decode(Ids{259, 260}), "<eos>q\u00e4");
}

TEST(TokenizerFiles, TokensNamedSpecial) {
  SmallFolder folder;
  folder.file(
      "tokenizer_config.json",
      json{{"bos_token", "the"}, {"additional_special_tokens", {"he", "nowhere"}}, {"add_bos_token", false}}.dump());
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->encode("athehe"), (Ids{tokenizer->encode("a")[0], 257, 256}));
  EXPECT_EQ(tokenizer->end_of_text(), 258);
}

TEST(TokenizerFiles, NoEndOfText) {
  SmallFolder folder;
  json vocab = small_vocab();
  vocab.erase("<|endoftext|>");
  folder.file("vocab.json", vocab.dump());
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->end_of_text(), -1);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("<|endoftext|>")), "<|endoftext|>");
}

// The one line of the error that opening this folder must give.
std::string error_of(const std::string& path) {
  try {
    Tokenizer::open(path);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

struct BadFile {
  const char* file;
  std::string bytes;
  const char* message;  // after the file's path
};

std::string vocab_with(const std::function<void(json&)>& change) {
  json vocab = small_vocab();
  change(vocab);
  return vocab.dump();
}

std::vector<BadFile> bad_vocabs() {
  const auto with = [](const char* token, const json& id) {
    return vocab_with([&](json& vocab) { vocab[token] = id; });
  };
  const char* name = "vocab.json";
  return {
      {name, "", ": expected JSON, found its end at byte 1 (line 1, column 1)"},
      {name, small_vocab().dump().substr(0, 1000), ": expected JSON, found its end at byte 1001 (line 1, column 1001)"},
      {name, std::string("{}\0junk", 7), ": expected JSON, found a NUL at byte 3"},
      {name, "{\n  \"a\": 0,\n}", ": expected JSON, found \"}\" at byte 13 (line 3, column 1)"},
      {name, "[1, 2]", ": expected a JSON object, found a list"},
      {name, R"({"a": 0, "b": 1, "a": 0})", ": expected every key once, found \"a\" twice"},
      {name, with("the", 300), ": expected ids 0 to 258 for 259 tokens, found 300 for token \"the\""},
      {name, with("the", -1), ": token \"the\": expected an id from 0, found -1"},
      {name, with("the", 257.5), ": token \"the\": expected an id from 0, found 257.5"},
      {name, with("the", "257"), ": token \"the\": expected an id from 0, found \"257\""},
      {name, with("the", 1e30), ": token \"the\": expected an id from 0, found 1e+30"},
      {name, with("the", uint64_t{1} << 63), ": token \"the\": expected an id from 0, found 9223372036854775808"},
      {name, with("", 259), ": id 259: expected a token of at least one byte, found none"},
      {name, vocab_with([](json& vocab) { vocab.erase("\u0100"), vocab["\n"] = 188; }),
       ": expected a token for each of the 256 bytes, found none for byte 0 (\"\u0100\")"},
  };
}

std::vector<BadFile> bad_others() {
  const char* merges = "merges.txt";
  const char* added = "added_tokens.json";
  const char* config = "tokenizer_config.json";
  return {
      {merges, "#version: 0.2\nh e\nt\n", ":3: expected two tokens with a blank between them, found \"t\""},
      {merges, "", ": expected the merge of token 256 (\"he\"), found no merges at all"},
      {merges, "#version: 0.2\n", ": expected the merge of token 256 (\"he\"), found no merges at all"},
      {merges, "h e\n\nt he\n", ":2: expected two tokens with a blank between them, found \"\""},
      {merges, "h  e\n", ":1: expected two tokens with a blank between them, found \"h  e\""},
      {merges, "h e\nt he x\n", ":2: expected two tokens with a blank between them, found \"t he x\""},
      {merges, "h e\nt he\nxx y\n", ":3: expected tokens of vocab.json, found \"xx\""},
      {merges, "h e\nt he\nthe he\n", ":3: expected tokens of vocab.json, found \"thehe\""},
      {merges, "h e\nt he\nh e\n", ":3: expected every merge once, found the one of line 1 again"},
      {merges, std::string("h e\n\xFF\0 x\n", 9), ":2: expected tokens of vocab.json, found \"\\xff\\x00\""},
      {added, "{", ": expected JSON, found its end at byte 2 (line 1, column 2)"},
      {added, R"({"the": 3})", ": added token \"the\": expected id 257 as in vocab.json, found 3"},
      {added, R"({"x": null})", ": token \"x\": expected an id from 0, found null"},
      {added, R"({"x": 259, "x": 259})", ": expected every key once, found \"x\" twice"},
      {config, R"({"a": {"b": 1, "c": [{"b": 1}], "b": 2}})", ": expected every key once, found \"b\" twice"},
      {config, std::string("{}\n\0", 4), ": expected JSON, found a NUL at byte 4"},
      {config, R"({"added_tokens_decoder": {"259\u0000x": {"content": "y"}}})",
       ": added token \"y\": expected an id as its key, found \"259\\x00x\""},
      {config, "7", ": expected a JSON object, found 7"},
      {config, R"({"added_tokens_decoder": {"x": {"content": "y"}}})",
       ": added token \"y\": expected an id as its key, found \"x\""},
      {config, R"({"added_tokens_decoder": {"259": {"content": "<m>", "lstrip": true}}})",
       ": added token \"<m>\": expected lstrip false, found true"},
  };
}

TEST(TokenizerFiles, EachMistakeIsOneLine) {
  std::vector<BadFile> all = bad_vocabs();
  for (const BadFile& bad : bad_others()) all.push_back(bad);
  for (const BadFile& bad : all) {
    SmallFolder folder;
    folder.file(bad.file, bad.bytes);
    EXPECT_EQ(error_of(folder.path().string()), (folder.path() / bad.file).string() + bad.message);
  }
}

// In time that grows with the square of their number they would take hours.
TEST(TokenizerFiles, AConfigHoldsAsManyObjectsAsOneLikes) {
  SmallFolder folder;
  std::string text = "{\"more\": [{}";
  for (int i = 0; i < 1'000'000; ++i) text += ",{}";
  folder.file("tokenizer_config.json", text + "], \"eos_token\": \"the\"}");
  EXPECT_EQ(Tokenizer::open(folder.path().string())->end_of_text(), 257);
}

TEST(TokenizerFiles, AMessageHoldsAGlanceOfALongLine) {
  SmallFolder folder;
  folder.file("merges.txt", std::string(100000, 'x'));
  const std::string message = error_of(folder.path().string());
  EXPECT_NE(message.find(", found \"xxxxxxxx"), std::string::npos) << message;
  EXPECT_LT(message.size(), 300u);
}

TEST(TokenizerFiles, TwoTokensOfOneId) {
  SmallFolder folder;
  folder.file("vocab.json", vocab_with([](json& vocab) { vocab["the"] = 256; }));
  const std::string message = error_of(folder.path().string());
  EXPECT_NE(message.find("vocab.json: expected one token for each id, found 256 for "), std::string::npos) << message;
  for (const char* token : {"\"he\"", "\"the\""}) EXPECT_NE(message.find(token), std::string::npos) << message;
}

TEST(TokenizerFiles, MissingFiles) {
  SmallFolder folder;
  std::filesystem::remove(folder.path() / "merges.txt");
  EXPECT_EQ(error_of(folder.path().string()),
            folder.path().string() + "/merges.txt: cannot be read: No such file or directory");
  std::filesystem::create_directory(folder.path() / "merges.txt");
  EXPECT_EQ(error_of(folder.path().string()), folder.path().string() + "/merges.txt: cannot be read: Is a directory");
  const std::string missing = folder.path().string() + "/missing", file = folder.path().string() + "/vocab.json";
  const std::string expected = ": expected a folder with vocab.json and merges.txt or llm.c's tokenizer file, found ";
  EXPECT_EQ(error_of(missing), missing + expected + "nothing");
  EXPECT_EQ(error_of(file), file + expected + "a file of another kind");
  EXPECT_EQ(error_of("/dev/null"), "/dev/null" + expected + "a file of another kind");
}

}  // namespace
}  // namespace gpt2run::test
