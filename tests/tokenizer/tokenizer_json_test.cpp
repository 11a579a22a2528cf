// tokenizer.json: what is honoured, what is refused by name, and how it goes with the files beside it.
#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <map>
#include <random>
#include <utility>

#include "gpt2run/error.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "tokenizer/small_json.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;
using Ids = std::vector<int32_t>;
using Change = std::function<void(json&)>;

struct JsonFolder : ScratchFolder {
  explicit JsonFolder(
      const Change& change = [](json&) {}, const std::string& config = "") {
    json whole = small_json();
    change(whole);
    file("tokenizer.json", whole.dump());
    if (!config.empty()) file("tokenizer_config.json", config);
  }
  std::unique_ptr<Tokenizer> open() const { return Tokenizer::open(path().string()); }
  Ids encode(const std::string& text) const { return open()->encode(text); }
};

json added(const char* text, int32_t id, const json& settings = json::object()) {
  json token = {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", true}};
  token.update(settings);
  return token;
}

TEST(TokenizerJson, StandsAlone) {
  const JsonFolder folder;
  EXPECT_EQ(folder.encode("ab a<|endoftext|>b"), (Ids{2, 4, 5, 1}));
  EXPECT_EQ(folder.open()->size(), 6);
  EXPECT_EQ(folder.open()->end_of_text(), 5);
  EXPECT_EQ(folder.open()->decode(Ids{2, 4, 5}), "ab a<|endoftext|>");
  EXPECT_EQ(Tokenizer::open((folder.path() / "tokenizer.json").string())->encode("ab"), Ids{2});
}

// As transformers does: the file wins over vocab.json and merges.txt, its settings over add_bos_token, and
// tokenizer_config.json over how a token is looked for and over add_prefix_space.
TEST(TokenizerJson, WithOtherFiles) {
  JsonFolder folder;
  folder.file("vocab.json", "{\"a\": 9}");
  folder.file("merges.txt", "nothing");
  EXPECT_EQ(folder.encode("ab"), Ids{2});
  folder.file("tokenizer_config.json", R"({"add_bos_token": true})");
  EXPECT_EQ(folder.encode("ab"), Ids{2});
  folder.file("tokenizer_config.json", R"({"add_prefix_space": true})");
  EXPECT_EQ(folder.encode("a"), Ids{4});
  folder.file("tokenizer_config.json",
              R"({"added_tokens_decoder": {"5": {"content": "<|endoftext|>", "lstrip": true, "special": true}}})");
  EXPECT_EQ(folder.encode("a <|endoftext|>"), (Ids{0, 5}));
}

TEST(TokenizerJson, IdsWithHoles) {
  const JsonFolder folder([](json& whole) {
    whole["model"]["vocab"]["<|endoftext|>"] = 900;
    whole["added_tokens"] = {added("<|endoftext|>", 900), added("<x>", 1200)};
  });
  const auto tokenizer = folder.open();
  EXPECT_EQ(tokenizer->size(), 1201);
  EXPECT_EQ(tokenizer->encode("a<x><|endoftext|>"), (Ids{0, 1200, 900}));
  EXPECT_EQ(tokenizer->piece(600), "");
  EXPECT_EQ(tokenizer->decode(Ids{0, 600, 1200}), "a<x>");
}

TEST(TokenizerJson, BytesWithoutATokenAreAnErrorWhenTheyCome) {
  const auto tokenizer = JsonFolder().open();
  EXPECT_THAT(error_of([&] { tokenizer->encode("ab aXb"); }), IsMessage("88", "\"X\"", "position 4"));
  EXPECT_THAT(error_of([&] { tokenizer->encode("<|endoftext|>b\xc3\xa9"); }),
              IsMessage("195", "\"\\xc3\"", "position 14"));
  const auto prefixed = JsonFolder([](json& whole) { whole["pre_tokenizer"]["add_prefix_space"] = true; }).open();
  EXPECT_THAT(error_of([&] { prefixed->encode("aX"); }), IsMessage("88", "position 1"));
  EXPECT_EQ(JsonFolder([](json& whole) { whole["model"]["unk_token"] = "b"; }).encode("bXXa"), (Ids{1, 1, 1, 0}));
}

TEST(TokenizerJson, WhatChangesNothingIsTaken) {
  const auto expect_same = [](const Change& change) { EXPECT_EQ(JsonFolder(change).encode("ab a"), (Ids{2, 4})); };
  expect_same([](json& whole) { whole["normalizer"] = {{"type", "Sequence"}, {"normalizers", json::array()}}; });
  expect_same([](json& whole) { whole["model"]["dropout"] = 0.0; });
  expect_same([](json& whole) { whole["model"].erase("type"); });
  expect_same([](json& whole) { whole["decoder"] = nullptr; });
  expect_same([](json& whole) { whole["truncation"] = {{"max_length", 1}}; });
  expect_same([](json& whole) {
    const json inner = whole["pre_tokenizer"];
    whole["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {inner}}};
  });
  expect_same([](json& whole) {
    json inner = whole["pre_tokenizer"];
    inner["use_regex"] = false;
    const char* pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
    const json split = {
        {"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}};
    whole["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {split, inner}}};
  });
}

TEST(TokenizerJson, TokensBeforeATextButNotBehindIt) {
  const auto with = [](const json& processor) {
    return JsonFolder([&](json& whole) { whole["post_processor"] = processor; }).encode("ab");
  };
  const json begin = {{"SpecialToken", {{"id", "x"}, {"type_id", 0}}}},
             text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json tokens = {{"x", {{"id", "x"}, {"ids", {5, 0}}, {"tokens", {"x", "y"}}}}};
  const json form = {{"type", "TemplateProcessing"}, {"single", {begin, text, begin}}, {"special_tokens", tokens}};
  EXPECT_EQ(with(form), (Ids{5, 0, 2}));
  const json roberta = {{"type", "RobertaProcessing"}, {"sep", {"b", 1}}, {"cls", {"a", 0}}};
  EXPECT_EQ(with(roberta), (Ids{0, 2}));
  EXPECT_EQ(with({{"type", "Sequence"}, {"processors", {roberta, form}}}), (Ids{5, 0, 0, 2}));
}

struct Refusal {
  Change change;
  Words words;
};

std::vector<Refusal> refusals() {
  const auto set = [](const char* pointer, const json& value) {
    return [=](json& whole) { whole[json::json_pointer(pointer)] = value; };
  };
  return {
      {set("/model/type", "Unigram"), {"model", "\"Unigram\""}},
      {set("/normalizer", {{"type", "NFC"}}), {"normalizer", "NFC"}},
      {set("/normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}}),
       {"normalizer", "Lowercase"}},
      {set("/pre_tokenizer", nullptr), {"pre_tokenizer", "ByteLevel", "null"}},
      {set("/pre_tokenizer", {{"type", "Metaspace"}}), {"pre_tokenizer", "Metaspace"}},
      {set("/decoder", {{"type", "Metaspace"}}), {"decoder", "Metaspace"}},
      {set("/post_processor", {{"type", "Other"}}), {"post_processor", "\"Other\""}},
      {set("/model/dropout", 0.1), {"model.dropout", "0.1"}},
      {set("/model/end_of_word_suffix", "</w>"), {"model.end_of_word_suffix", "\"</w>\""}},
      {set("/model/continuing_subword_prefix", "##"), {"model.continuing_subword_prefix", "\"##\""}},
      {set("/model/byte_fallback", true), {"model.byte_fallback"}},
  };
}

TEST(TokenizerJson, WhatIsNotReadIsRefusedByName) {
  for (const Refusal& refusal : refusals()) {
    const JsonFolder folder(refusal.change);
    EXPECT_THROW(folder.open(), UnreadTokenizer);
    Words words = refusal.words;
    words.push_back((folder.path() / "tokenizer.json").string());
    EXPECT_THAT(error_of([&] { folder.open(); }), IsMessage(words));
  }
}

TEST(TokenizerJson, EachMistakeIsOneLine) {
  const auto expect = [](const Change& change, Words words) {
    const JsonFolder folder(change);
    words.push_back((folder.path() / "tokenizer.json").string());
    EXPECT_THAT(error_of([&] { folder.open(); }), IsMessage(words));
  };
  expect([](json& whole) { whole.erase("model"); }, {"model"});
  expect([](json& whole) { whole["model"]["vocab"] = {1, 2}; }, {"model.vocab", "list"});
  expect([](json& whole) { whole["model"]["vocab"]["a"] = 262143; }, {"\"a\"", "262142", "262143"});
  expect([](json& whole) { whole["model"]["vocab"]["a"] = -1; }, {"\"a\"", "-1"});
  expect([](json& whole) { whole["model"]["vocab"] = json::object(), whole["added_tokens"] = json::array(); },
         {"none"});
  expect([](json& whole) { whole["model"]["merges"][0] = {"a", "x"}; }, {"merge 1", "\"x\""});
  expect([](json& whole) { whole["model"]["merges"][1] = "a b c"; }, {"merge 2", "\"a b c\""});
  expect([](json& whole) { whole["model"]["merges"][1] = {"a", "b", "c"}; }, {"merge 2", "3"});
  expect([](json& whole) { whole["model"]["merges"] = json::array(); }, {"\"ab\"", "merges"});
  expect([](json& whole) { whole["added_tokens"][0]["id"] = 4; }, {"<|endoftext|>", "5", "4"});
  expect([](json& whole) { whole["added_tokens"][0]["lstrip"] = 1; }, {"\"<|endoftext|>\"", "lstrip", "1"});
  expect([](json& whole) { whole["added_tokens"][0].erase("id"); }, {"added_tokens", "id"});
  expect(
      [](json& whole) {
        whole["post_processor"] = {
            {"type", "TemplateProcessing"}, {"single", json::array()}, {"special_tokens", json::object()}};
      },
      {"post_processor.single"});
  expect([](json& whole) { whole["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"a", 6}}}; }, {"6", "5"});
}

TEST(TokenizerJson, TwoTokensOfOneId) {
  const JsonFolder folder([](json& whole) { whole["model"]["vocab"]["b"] = 0; });
  EXPECT_THAT(error_of([&] { folder.open(); }), IsMessage("0", "\"a\"", "\"b\""));
}

// Long texts, long tokens and many tokens take the time of their length.
TEST(TokenizerJson, NothingTakesTheSquareOfItsLength) {
  const JsonFolder folder([](json& whole) {
    json& tokens = whole["added_tokens"];
    for (int32_t id = 6; id < 20'000; ++id)
      tokens.push_back(added(("<" + std::to_string(id) + ">").c_str(), id, {{"normalized", id % 2 == 0}}));
    tokens.push_back(added(" ", 20'000, {{"lstrip", true}, {"rstrip", true}}));
  });
  const auto tokenizer = folder.open();
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, ' ')), Ids{20'000});
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, 'a')).size(), size_t{1} << 20);
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "<777>";
  EXPECT_EQ(tokenizer->encode(text), Ids(100'000, 777));
}

// A token of which every place of a text has the beginning costs no more than any other.
TEST(TokenizerJson, LongTokensThatNearlyOccurTakeNoLonger) {
  const std::string text(1 << 20, 'a');
  const auto seconds_with = [&](const std::string& token) {
    const JsonFolder folder([&](json& whole) { whole["added_tokens"].push_back(added(token.c_str(), 6)); });
    const auto tokenizer = folder.open();
    const std::clock_t begin = std::clock();  // of this process, whatever else the machine does
    EXPECT_EQ(tokenizer->encode(text).size(), text.size());
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  };
  const double usual = seconds_with("bbb");
  EXPECT_LT(seconds_with(std::string(999, 'a') + "b"), 10 * usual);
  EXPECT_LT(seconds_with("b" + std::string(999, 'a')), 10 * usual);
}

// From left to right, and of tokens that begin at one place the longest, as a plain search finds them.
TEST(TokenizerJson, TokensThatOverlap) {
  std::mt19937 random(3);
  const auto letters = [&](size_t count) {
    std::string text;
    while (text.size() < count) text += random() % 2 ? 'a' : 'b';
    return text;
  };
  for (int round = 0; round < 30; ++round) {
    std::map<std::string, int32_t> tokens;
    while (tokens.size() < 6)
      if (const std::string token = letters(2 + random() % 5); token != "ab")
        tokens.emplace(token, 6 + static_cast<int32_t>(tokens.size()));
    const JsonFolder folder([&](json& whole) {
      for (const auto& [token, id] : tokens) whole["added_tokens"].push_back(added(token.c_str(), id));
    });
    const auto tokenizer = folder.open();
    for (int i = 0; i < 20; ++i) {
      const std::string text = letters(random() % 30);
      Ids expected;
      std::string plain;
      const auto end_plain = [&] {
        const Ids ids = tokenizer->encode(std::exchange(plain, ""), false);
        expected.insert(expected.end(), ids.begin(), ids.end());
      };
      for (size_t at = 0; at < text.size();) {
        const std::pair<const std::string, int32_t>* longest = nullptr;
        for (const auto& one : tokens)
          if (text.compare(at, one.first.size(), one.first) == 0 &&
              (!longest || one.first.size() > longest->first.size()))
            longest = &one;
        if (!longest) {
          plain += text[at++];
          continue;
        }
        end_plain();
        expected.push_back(longest->second);
        at += longest->first.size();
      }
      end_plain();
      EXPECT_EQ(tokenizer->encode(text), expected) << text;
    }
  }
}

}  // namespace
}  // namespace gpt2run::test
