// Tokenizer files: what is read from them, and one clear line for each that is wrong.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
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
  ASSERT_EQ(tokenizer->warnings().size(), 1u);
  EXPECT_THAT(tokenizer->warnings()[0], IsMessage("tokenizer_config.json: additional_special_tokens", "\"nowhere\""));
  folder.file("tokenizer_config.json", json{{"extra_special_tokens", {{"image_token", "<image>"}}}}.dump());
  ASSERT_EQ(Tokenizer::open(folder.path().string())->warnings().size(), 1u);
  folder.file("tokenizer_config.json", json{{"pad_token", "[PAD]"}, {"extra_special_tokens", {"he"}}}.dump());
  EXPECT_EQ(Tokenizer::open(folder.path().string())->warnings().size(), 0u);
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

std::string error_opening(const std::string& path) {
  return error_of([&] { Tokenizer::open(path); });
}

// Editors of Windows put a byte order mark before UTF-8, or write UTF-16.
TEST(TokenizerFiles, AByteOrderMarkIsDroppedAndWideTextIsNamed) {
  SmallFolder folder;
  folder.file("merges.txt", std::string("\xEF\xBB\xBF") + kMerges);
  EXPECT_EQ(Tokenizer::open(folder.path().string())->encode("the"), Ids{257});
  std::string wide = "\xff\xfe";
  for (const char c : std::string(kMerges)) wide.append({c, '\0'});
  folder.file("merges.txt", wide);
  EXPECT_THAT(error_opening(folder.path().string()), IsMessage("merges.txt", "UTF-16", "iconv"));
}

struct BadFile {
  const char* file;
  std::string bytes;
  Words words;  // beside the file's path
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
      {name, "", {"JSON", "1"}},
      {name, small_vocab().dump().substr(0, 1000), {"JSON", "1001"}},
      {name, std::string("{}\0junk", 7), {"JSON", "3"}},
      {name, "{\n  \"a\": 0,\n}", {"JSON", "13", "\"}\""}},
      {name, "[1, 2]", {"JSON", "list"}},
      {name, R"({"a": 0, "b": 1, "a": 0})", {"\"a\""}},
      {name, with("the", 262143), {"\"the\"", "262142", "262143"}},
      {name, with("the", -1), {"\"the\"", "-1"}},
      {name, with("the", 257.5), {"\"the\"", "257.5"}},
      {name, with("the", "257"), {"\"the\"", "\"257\""}},
      {name, with("the", 1e30), {"\"the\"", "1e+30"}},
      {name, with("the", uint64_t{1} << 63), {"\"the\"", "9223372036854775808"}},
      {name, with("", 259), {"259"}},
      {name, "{}", {"tokens", "none"}},
      {name, R"({"t": 0, "h": 1, "th</w>": 2})", {"\"th</w>\"", "byte alphabet"}},
      {name, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", {"Git LFS pointer"}},
      {name, "<!DOCTYPE html>\n", {"web page"}},
  };
}

std::vector<BadFile> bad_others() {
  const char* merges = "merges.txt";
  const char* added = "added_tokens.json";
  const char* config = "tokenizer_config.json";
  return {
      {merges, "#version: 0.2\nh e\nt\n", {"merges.txt:3", "\"t\""}},
      {merges, "", {"\"he\"", "merges"}},
      {merges, "#version: 0.2\n", {"\"he\"", "merges"}},
      {merges, "h e\n\nt he\n", {"merges.txt:2", "\"\""}},
      {merges, "h  e\n", {"merges.txt:1", "\"h  e\""}},
      {merges, "h e\nt he x\n", {"merges.txt:2", "\"t he x\""}},
      {merges, "h e\nt he\nxx y\n", {"merges.txt:3", "\"xx\""}},
      {merges, "h e\nt he\nthe he\n", {"merges.txt:3", "\"thehe\""}},
      {merges, "h e\nt he\nh e\n", {"merges.txt:3"}},
      {merges, std::string("h e\n\xFF\0 x\n", 9), {"merges.txt:2", "\"\\xff\\x00\""}},
      {added, "{", {"JSON", "2"}},
      {added, R"({"the": 3})", {"\"the\"", "257", "3"}},
      {added, R"({"x": null})", {"\"x\"", "null"}},
      {added, R"({"x": 259, "x": 259})", {"\"x\""}},
      {config, R"({"a": {"b": 1, "c": [{"b": 1}], "b": 2}})", {"\"b\""}},
      {config, std::string("{}\n\0", 4), {"JSON", "4"}},
      {config, R"({"added_tokens_decoder": {"259\u0000x": {"content": "y"}}})", {"\"y\"", "\"259\\x00x\""}},
      {config, "7", {"JSON", "7"}},
      {config, R"({"added_tokens_decoder": {"x": {"content": "y"}}})", {"\"y\"", "\"x\""}},
      {config,
       R"({"added_tokens_decoder": {"259": {"content": "<m>", "lstrip": "true"}}})",
       {"\"<m>\"", "lstrip", "\"true\""}},
      {config, R"({"split_special_tokens": true})", {"split_special_tokens", "--no-special"}},
      {config, R"({"add_bos_token": "yes"})", {"add_bos_token", "\"yes\""}},
  };
}

TEST(TokenizerFiles, EachMistakeIsOneLine) {
  std::vector<BadFile> all = bad_vocabs();
  for (const BadFile& bad : bad_others()) all.push_back(bad);
  for (const BadFile& bad : all) {
    SmallFolder folder;
    folder.file(bad.file, bad.bytes);
    Words words = bad.words;
    words.push_back((folder.path() / bad.file).string());
    EXPECT_THAT(error_opening(folder.path().string()), IsMessage(words));
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
  const std::string message = error_opening(folder.path().string());
  EXPECT_THAT(message, IsMessage("merges.txt:1", "...\""));
  EXPECT_LT(message.size(), 300u);
}

TEST(TokenizerFiles, TwoTokensOfOneId) {
  SmallFolder folder;
  folder.file("vocab.json", vocab_with([](json& vocab) { vocab["the"] = 256; }));
  const std::string message = error_opening(folder.path().string());
  EXPECT_THAT(message, IsMessage("vocab.json", "256", "\"he\"", "\"the\""));
}

TEST(TokenizerFiles, BeginningOfTextAndBlankBeforeIt) {
  SmallFolder folder;
  const auto encode = [&](const char* config, const char* text) {
    folder.file("tokenizer_config.json", config);
    return Tokenizer::open(folder.path().string())->encode(text);
  };
  EXPECT_EQ(encode(R"({"add_bos_token": true})", "the"), (Ids{258, 257}));
  EXPECT_EQ(encode(R"({"add_bos_token": true})", ""), Ids{258});
  EXPECT_EQ(encode(R"({"add_bos_token": true, "bos_token": "he"})", "he"), (Ids{256, 256}));
  EXPECT_EQ(encode(R"({"add_bos_token": true, "bos_token": null})", "the"), Ids{257});
  EXPECT_EQ(encode(R"({"add_bos_token": null, "add_prefix_space": false})", "the"), Ids{257});
  const Ids blank = encode("{}", " the");
  EXPECT_EQ(encode(R"({"add_prefix_space": true})", "the"), blank);
  EXPECT_EQ(encode(R"({"add_prefix_space": true})", " the"), blank);
  EXPECT_EQ(encode(R"({"add_prefix_space": true})", "<|endoftext|>the"), (Ids{258, blank[0], blank[1]}));
  EXPECT_EQ(encode(R"({"add_prefix_space": true})", ""), Ids());
}

// special_tokens_map.json counts where the configuration does not list the added tokens.
TEST(TokenizerFiles, SpecialTokensMap) {
  SmallFolder folder;
  folder.file("special_tokens_map.json", R"({"eos_token": {"content": "he", "lstrip": true}})");
  const auto open = [&] { return Tokenizer::open(folder.path().string()); };
  EXPECT_EQ(open()->encode("the  he"), (Ids{open()->encode("t")[0], 256, 256}));
  EXPECT_EQ(open()->end_of_text(), 256);
  folder.file("tokenizer_config.json", R"({"added_tokens_decoder": {}})");
  EXPECT_EQ(open()->encode("the"), Ids{257});
}

TEST(TokenizerFiles, NamesOfOpenai) {
  SmallFolder folder;
  std::filesystem::rename(folder.path() / "vocab.json", folder.path() / "encoder.json");
  std::filesystem::rename(folder.path() / "merges.txt", folder.path() / "vocab.bpe");
  EXPECT_EQ(Tokenizer::open(folder.path().string())->encode("the"), Ids{257});
  const auto files = tokenizer_files(folder.path().string(), TokenizerFormat::huggingface);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].name, "vocab.json");
  EXPECT_EQ(files[1].name, "merges.txt");
  std::filesystem::remove(folder.path() / "vocab.bpe");
  EXPECT_THAT(error_opening(folder.path().string()),
              IsMessage(folder.path().string() + "/vocab.bpe", "No such file or directory"));
}

TEST(TokenizerFiles, NotAllBytesAndIdsWithHoles) {
  SmallFolder folder;
  folder.file("vocab.json", vocab_with([](json& vocab) { vocab.erase("!"), vocab["the"] = 300; }));
  const auto tokenizer = Tokenizer::open(folder.path().string());
  EXPECT_EQ(tokenizer->size(), 301);
  EXPECT_EQ(tokenizer->encode("the"), Ids{300});
  EXPECT_EQ(tokenizer->piece(299), "");
  std::string message = "no error";
  try {
    tokenizer->encode("the!");
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_THAT(message, IsMessage("33", "\"!\"", "position 3"));
  const auto expect_refused = [&](const char* word, const std::function<void(json&)>& change) {
    folder.file("vocab.json", vocab_with(change));
    try {
      tokenizer_files(folder.path().string(), TokenizerFormat::llmc);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), IsMessage(word, "llm.c's tokenizer file"));
    }
  };
  expect_refused("byte", [](json& vocab) { vocab.erase("!"); });
  expect_refused("id", [](json& vocab) { vocab["the"] = 300; });
}

TEST(TokenizerFiles, WhatIsThereInsteadIsNamed) {
  const ScratchFolder folder;
  const std::string path = folder.path().string();
  EXPECT_EQ(no_tokenizer_reason(path), "");
  EXPECT_THAT(error_opening(path), IsMessage(path, "tokenizer.json", "vocab.txt", "none of them"));
  folder.file("spiece.model", "");
  EXPECT_THAT(no_tokenizer_reason(path), IsMessage("spiece.model", "SentencePiece"));
  EXPECT_EQ(no_tokenizer_reason(path + "/model.safetensors"), "");
  folder.file("model.safetensors", "");
  EXPECT_THAT(no_tokenizer_reason(path + "/model.safetensors"), IsMessage("spiece.model", "SentencePiece"));
  EXPECT_THAT(error_opening(path), IsMessage(path, "spiece.model", "SentencePiece"));
  std::filesystem::create_symlink("../blobs/0", folder.path() / "tokenizer.json");
  EXPECT_THAT(error_opening(path), IsMessage(path + "/tokenizer.json", "link", "\"../blobs/0\""));
  std::filesystem::remove(folder.path() / "tokenizer.json");
  folder.file("tokenizer.json", "");
  EXPECT_THAT(error_opening(path), IsMessage(path + "/tokenizer.json", "empty file"));
  folder.file("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  EXPECT_THAT(error_opening(path), IsMessage(path + "/tokenizer.json", "Git LFS pointer"));
}

TEST(TokenizerFiles, MissingFiles) {
  SmallFolder folder;
  std::filesystem::remove(folder.path() / "merges.txt");
  EXPECT_THAT(error_opening(folder.path().string()),
              IsMessage(folder.path().string() + "/merges.txt", "No such file or directory"));
  std::filesystem::create_directory(folder.path() / "merges.txt");
  EXPECT_THAT(error_opening(folder.path().string()),
              IsMessage(folder.path().string() + "/merges.txt", "Is a directory"));
  const std::string missing = folder.path().string() + "/missing", file = folder.path().string() + "/vocab.json";
  for (const std::string& path : {missing, file, std::string("/dev/null")})
    EXPECT_THAT(error_opening(path), IsMessage(path + ":", "merges.txt", "llm.c's tokenizer file"));
}

}  // namespace
}  // namespace gpt2run::test
