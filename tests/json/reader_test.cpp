// The reader of JSON: what it refuses, what it gives, and that neither depth nor number makes it slow or breaks it.
#include <gmock/gmock.h>

#include <clocale>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "gpt2run/json/json.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run::json {
namespace {

using test::error_of;
using test::IsMessage;
using testing::ElementsAre;

std::string refusal_of(std::string_view text) {
  return error_of([&] { parse(text, "a.json"); });
}

std::string repeated(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

// "[1,1,1]"
std::string list_of(const std::string& element, size_t count) {
  std::string list = "[";
  for (size_t i = 0; i < count; ++i) list.append(i > 0 ? "," : "").append(element);
  return list.append("]");
}

std::string nested(size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(JsonReader, SaysWhereAMistakeIs) {
  const std::pair<std::string, test::Words> cases[] = {
      {"", {"JSON", "byte 1", "line 1", "column 1"}},
      {"{", {"JSON", "byte 2", "line 1", "column 2"}},
      {"{\n \"a\": +1}", {"JSON", "\"+1\"", "byte 9", "line 2", "column 7"}},
      {"[1,\n2,\n]", {"JSON", "\"]\"", "byte 8", "line 3", "column 1"}},
      {"[NaN]", {"JSON", "\"NaN\"", "byte 2", "line 1", "column 2"}},
      {"[]x", {"JSON", "\"x\"", "byte 3", "line 1", "column 3"}},
      {"[1 2]", {"JSON", "\"2\"", "byte 4", "line 1", "column 4"}},
      {"\"a\nb\"", {"JSON", "\"\\n\"", "byte 3", "line 1", "column 3"}},
      {"[1e999]", {"JSON", "byte 6", "line 1", "column 6"}},
      {"[01]", {"JSON", "\"1\"", "byte 3", "line 1", "column 3"}},
      {"\"\xff\"", {"JSON", "\"\\xff\"\"", "byte 2", "line 1", "column 2"}},
      {"\"\\ud800\"", {"JSON", "surrogate", "byte 8", "line 1", "column 8"}},
      {"// no\n1", {"JSON", "\"//\"", "byte 1", "line 1", "column 1"}},
      {std::string("[1]\0", 4), {"JSON", "NUL", "byte 4"}},
      {std::string("[\0]", 3), {"JSON", "NUL", "byte 2"}},
      {std::string("\xff\xfe[\0]\0", 6), {"JSON", "UTF-16", "iconv"}},
      {std::string("\0\0\0[\0\0\0]", 8), {"JSON", "UTF-32", "iconv"}},
  };
  for (const auto& [text, words] : cases) {
    const std::string refusal = refusal_of(text);
    EXPECT_THAT(refusal, IsMessage(words)) << text;
    EXPECT_TRUE(refusal.starts_with("a.json: ")) << refusal;
  }
}

TEST(JsonReader, RefusesAKeyThatComesAgain) {
  EXPECT_THAT(refusal_of(R"({"a": 0, "b": 1, "a": 0})"), IsMessage("a.json", "\"a\""));
  EXPECT_THAT(refusal_of(R"([{"x": {"c": 1, "b": {"b": 1}, "b": 2}}])"), IsMessage("a.json", "\"b\""));
  std::string many = "{";
  for (int i = 0; i < 1000; ++i) many += "\"k" + std::to_string(i) + "\":1,";
  EXPECT_THAT(refusal_of(many + "\"k500\":2,\"k3\":3}"), IsMessage("a.json", "\"k500\""));
  EXPECT_EQ(refusal_of(many + "\"\":0,\"k\\u0000\":1,\"k\":2}"), "no error");
}

TEST(JsonReader, HasALimitOfLevels) {
  EXPECT_EQ(refusal_of(nested(kMaxDepth)), "no error");
  for (const size_t levels : {kMaxDepth + 1, size_t{70'000}, size_t{1'000'000}}) {
    EXPECT_THAT(refusal_of(nested(levels)), IsMessage("a.json", "1000"));
    EXPECT_THAT(refusal_of(std::string(levels, '[')), IsMessage("a.json", "1000"));
    EXPECT_THAT(refusal_of(repeated("{\"a\":", levels) + "1" + std::string(levels, '}')), IsMessage("a.json", "1000"));
  }
}

TEST(JsonReader, TakesTimeInProportionToTheText) {
  SKIP_UNDER_ASAN(test::kSlowUnderAsan);
  constexpr size_t kMany = 2'000'000;  // a search through what was read before would take hours
  const Document list = parse(list_of("{}", kMany), "a");
  EXPECT_EQ(list.root().elements().size(), kMany);
  std::string text = "{\"first\":0";
  for (size_t i = 1; i < kMany; ++i) text.append(",\"").append(std::to_string(i)).append("\":{}");
  const Document object = parse(text + "}", "a");
  EXPECT_EQ(object.root().members().size(), kMany);
  for (size_t i = 1; i < kMany; i += 3) ASSERT_TRUE(object.root().find(std::to_string(i))) << i;
  EXPECT_FALSE(object.root().find("0"));
}

TEST(JsonReader, HasALimitOfValues) {
  SKIP_UNDER_ASAN(test::kSlowUnderAsan);
  EXPECT_THAT(refusal_of(list_of("1", kMaxValues)), IsMessage("a.json", "33554432"));
}

TEST(JsonReader, GivesValuesByType) {
  const Document document = parse(R"({"none": null, "yes": true, "no": false, "text": "a\u0000\u00e4\ud83d\ude00",
                                      "list": [1, [2, {}], "x"], "object": {"k": {"d": [7]}}, "real": 2.50})",
                                  "a.json");
  const Value root = document.root();
  EXPECT_TRUE(root.at("none").is_null());
  EXPECT_TRUE(root.at("yes").flag());
  EXPECT_FALSE(root.at("no").flag());
  EXPECT_EQ(root.at("text").text(), std::string("a\0\u00e4\U0001F600", 8));
  EXPECT_EQ(root.at("real").number(), 2.5);
  EXPECT_EQ(root.at("real").number_text(), "2.50");
  std::vector<std::string> keys, elements;
  for (const auto& [key, value] : root.object()) keys.emplace_back(key);
  EXPECT_THAT(keys, ElementsAre("none", "yes", "no", "text", "list", "object", "real"));
  for (const Value& value : root.at("list").list()) elements.push_back(value.description());
  EXPECT_THAT(elements, ElementsAre("1", "a list", "\"x\""));
  EXPECT_EQ(root.at("object").at("k").at("d").list().front().integer(0, 9), 7);
  EXPECT_FALSE(root.find("None"));
  EXPECT_FALSE(root.at("list").find("x"));
  EXPECT_TRUE(root.at("yes").elements().empty());
  EXPECT_TRUE(root.at("list").members().empty());
  EXPECT_FALSE(root.as_text());
  EXPECT_TRUE(Value().is_null());
}

TEST(JsonReader, NumbersAreExact) {
  const auto value = [](const char* text, const auto& use) {
    const Document document = parse(text, "a");
    return use(document.root());
  };
  const auto integer = [](const Value& v) { return v.as_integer(); };
  const auto natural = [](const Value& v) { return v.as_unsigned(); };
  EXPECT_EQ(value("-9223372036854775808", integer), INT64_MIN);
  EXPECT_EQ(value("9223372036854775807", integer), INT64_MAX);
  EXPECT_EQ(value("9223372036854775808", integer), std::nullopt);
  EXPECT_EQ(value("18446744073709551615", natural), UINT64_MAX);
  EXPECT_EQ(value("18446744073709551616", natural), std::nullopt);
  EXPECT_EQ(value("-1", natural), std::nullopt);
  EXPECT_EQ(value("1.0", integer), std::nullopt);
  EXPECT_EQ(value("1e3", integer), std::nullopt);
  EXPECT_EQ(value("true", integer), std::nullopt);
  for (const char* text : {"0", "-0", "18446744073709551616", "-9223372036854775809", "1.50", "1E5", "1e-400",
                           "-1e-400", "123456789012345678901234567890", "4.9406564584124654e-324"}) {
    const Document document = parse(text, "a");
    EXPECT_EQ(document.root().number_text(), text);
    const double expected = std::strtod(text, nullptr), found = document.root().number();
    EXPECT_EQ(found, expected) << text;
    EXPECT_EQ(std::signbit(found), std::signbit(expected)) << text;
    EXPECT_EQ(document.root().is_whole(), std::string_view(text).find_first_of(".eE") == std::string_view::npos);
  }
}

// Of the locales that write 2,5 the first that is installed.
TEST(JsonReader, NumbersHaveAPointInEveryLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  bool found = false;
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"})
    found |= std::setlocale(LC_NUMERIC, name) != nullptr;
  if (!found) GTEST_SKIP() << "no locale with a decimal comma";
  const std::optional<Document> document = try_parse("[2.5, -1.25e1, 3e0]");
  const std::string real = real_text(2.5);
  std::setlocale(LC_NUMERIC, before.c_str());
  ASSERT_TRUE(document);
  std::vector<std::string> texts;
  std::vector<double> numbers;
  for (const Value& value : document->root().elements())
    texts.push_back(value.number_text()), numbers.push_back(value.number());
  EXPECT_THAT(texts, ElementsAre("2.5", "-1.25e1", "3e0"));
  EXPECT_THAT(numbers, ElementsAre(2.5, -12.5, 3.0));
  EXPECT_EQ(real, "2.5");
}

TEST(JsonReader, RefusesWhatIsNotAsked) {
  const Document document = parse(R"({"a": [{"b": [0, 3, "x"]}, {}], "c": -5, "d": 1e2, "e": "3", "f": []})", "f.json");
  const Value root = document.root();
  const auto b = root.at("a").list().front().at("b");
  const std::pair<std::function<void()>, test::Words> cases[] = {
      {[&] { root.at("z"); }, {"f.json", "\"z\""}},
      {[&] { root.at("a").list().front().at("z"); }, {"f.json", "a[0]:", "\"z\""}},
      {[&] { root.at("c").at("z"); }, {"f.json", "c:", "JSON", "-5"}},
      {[&] { root.list(); }, {"f.json", "JSON", "a JSON object"}},
      {[&] {
         for (const Value& v : b.list()) v.integer(0, 9);
       },
       {"f.json", "a[0].b[2]:", "\"x\"", "[0, 9]"}},
      {[&] { root.at("c").integer(0, 9); }, {"f.json", "c:", "-5", "[0, 9]"}},
      {[&] { root.at("d").integer(0, 900); }, {"f.json", "d:", "1e2", "[0, 900]"}},
      {[&] { root.at("e").number(); }, {"f.json", "e:", "\"3\""}},
      {[&] { root.at("c").text(); }, {"f.json", "c:", "-5"}},
      {[&] { root.at("c").flag(); }, {"f.json", "c:", "-5"}},
      {[&] { root.at("f").object(); }, {"f.json", "f:", "JSON", "an empty list"}},
      {[&] { root.at("a").text(); }, {"f.json", "a:", "a list"}},
      {[&] { b.refuse("two"); }, {"f.json", "a[0].b:", "a list"}},
  };
  for (const auto& [use, words] : cases) EXPECT_THAT(error_of(use), IsMessage(words));
  const std::string_view known[] = {"a", "c", "d", "e"};
  EXPECT_THAT(error_of([&] { root.expect_keys(known); }), IsMessage("f.json", "a, c, d, e", "\"f\""));
}

TEST(JsonReader, AMessageHoldsAGlance) {
  const std::string text = std::string(100'000, 'x');
  const Document document = parse("{\"" + text + "\": " + std::string(5000, '7') + "e-5000}", "a");
  EXPECT_LT(error_of([&] { document.root().object().front().value.text(); }).size(), 300u);
  EXPECT_LT(refusal_of("\"" + text).size(), 300u);
}

TEST(JsonReader, WhatIsNobodysBusinessIsNothing) {
  for (const char* text : {"", "{", "{\"a\":1,\"a\":1}", "[1e999]"}) EXPECT_FALSE(try_parse(text)) << text;
  EXPECT_TRUE(try_parse(" [1] "));
}

// Takes at most `block` bytes at a time.
Source source_of(const std::string& text, size_t block, size_t& taken) {
  return [&text, block, &taken](char* to, size_t most) {
    const size_t count = text.copy(to, std::min(most, block), taken);
    taken += count;
    return count;
  };
}

std::vector<std::string> elements_of(const std::string& text, size_t block = SIZE_MAX) {
  std::vector<std::string> elements;
  size_t taken = 0;
  each_element(source_of(text, block, taken), "s.json", "step", [&](const Value& value) {
    JsonWriter writer(-1);
    write(writer, value);
    elements.push_back(writer.json());
  });
  EXPECT_EQ(taken, text.size());
  return elements;
}

TEST(JsonElements, ComeOneByOneHoweverTheTextIsCut) {
  const std::string text = R"( [ {"a": [1, 2.50]}, [], 3, "x\n", null, {"a": {}, "b": false} ] )";
  for (const size_t block : {size_t{1}, size_t{2}, size_t{7}, SIZE_MAX})
    EXPECT_THAT(elements_of(text, block),
                ElementsAre(R"({"a":[1,2.50]})", "[]", "3", R"("x\n")", "null", R"({"a":{},"b":false})"));
  EXPECT_THAT(elements_of("[]"), ElementsAre());
}

TEST(JsonElements, MistakesNameTheElement) {
  const std::pair<std::string, test::Words> cases[] = {
      {"[{}, {\"a\": 1, \"a\": 2}]", {"s.json", "\"a\"", "step 1", "twice"}},
      {"[1, 2", {"s.json", "JSON", "step 2", "byte 6", "line 1", "column 6"}},
      {"[1,\n NaN, 2]", {"s.json", "JSON", "\"NaN\"", "step 1", "byte 6", "line 2", "column 2"}},
      {"[]x", {"s.json", "JSON", "\"x\"", "step 0", "byte 3", "line 1", "column 3"}},
      {"[0, 1e999]", {"s.json", "JSON", "step 1", "byte 9", "line 1", "column 9"}},
      {std::string(1, '[').append(nested(kMaxDepth)), {"s.json", "JSON", "step 0", "1000"}},
      {"{\"a\": 1}", {"s.json", "JSON", "a JSON object"}},
      {"7", {"s.json", "7"}},
      {std::string("[1]\0", 4), {"s.json", "JSON", "NUL", "byte 4"}},
      {"", {"s.json", "JSON", "step 0", "byte 1", "line 1", "column 1"}}};
  for (const auto& [text, words] : cases) {
    const auto& given = text;
    for (const size_t block : {size_t{1}, size_t{3}, SIZE_MAX}) {
      size_t taken = 0;
      const auto read = [&] { each_element(source_of(given, block, taken), "s.json", "step", [](const Value&) {}); };
      EXPECT_THAT(error_of(read), IsMessage(words)) << text;
    }
  }
}

TEST(JsonElements, AMistakeFarInTheTextIsFound) {
  const std::string text = std::string("[").append(repeated("1,\n", 100'000)).append("  x]");
  size_t taken = 0;
  const auto read = [&] { each_element(source_of(text, SIZE_MAX, taken), "a", "step", [](const Value&) {}); };
  EXPECT_THAT(error_of(read), IsMessage("a:", "step 100000", "JSON", "\"x\"", "300004", "line 100001", "column 3"));
}

// The same texts are JSON to both, but for keys that come again, and have the same values.
TEST(JsonReader, AgreesWithTheLibraryOnBrokenTexts) {
  const std::string text =
      R"({"a": [1, -2.5e3, true, null, "x\u00e4\n"], "b": {"c": {}, "d": [[], "é"]}, "e": 12345678901})";
  std::mt19937 random(7);
  int good = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string changed = text;
    for (uint32_t left = 1 + random() % 3; left > 0; --left) {
      constexpr std::string_view kTelling = "0123456789[]{},:\"-eE.\\ntu ";
      const char byte = random() % 3 ? kTelling[random() % kTelling.size()] : static_cast<char>(random());
      changed[random() % changed.size()] = byte;
    }
    const std::optional<Document> read = try_parse(changed);
    const bool has_nul = changed.find('\0') != std::string::npos;
    if (!read) {
      const std::string told = refusal_of(changed);
      EXPECT_TRUE(has_nul || !nlohmann::json::accept(changed) || told.find("every key once") != told.npos ||
                  told.find("out of range") != told.npos)
          << changed;
      continue;
    }
    ++good;
    ASSERT_FALSE(has_nul);
    JsonWriter writer(2);
    write(writer, read->root());
    EXPECT_EQ(nlohmann::json::parse(writer.json()), nlohmann::json::parse(changed)) << changed;
  }
  EXPECT_GT(good, 1000);
}

}  // namespace
}  // namespace gpt2run::json
