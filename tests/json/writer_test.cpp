// The writer of JSON: the bytes that nlohmann's dump() gives, which manifests and reports have always had.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "gpt2run/json/json.hpp"

namespace gpt2run {
namespace {

using Ordered = nlohmann::ordered_json;

std::string dumped(const Ordered& value, int indent, bool ascii = false) {
  return value.dump(indent, ' ', ascii, Ordered::error_handler_t::replace);
}

TEST(JsonStrings, OfDocumentsAreTheLibrarys) {
  std::mt19937 random(3);
  constexpr std::string_view kTelling = "\x80\xBF\xC0\xC2\xC3\xE0\xED\xEF\xF0\xF4\xF5\xA0\x9F\x90\x8F\"\\/\n\t\x7F a";
  for (int round = 0; round < 100'000; ++round) {
    std::string text;
    for (uint32_t left = random() % 12; left > 0; --left)
      text += random() % 2 ? kTelling[random() % kTelling.size()] : static_cast<char>(random());
    EXPECT_EQ(json_quoted(text, JsonForm::document), dumped(text, -1)) << testing::PrintToString(text);
    EXPECT_EQ(json_quoted(text, JsonForm::ascii), dumped(text, -1, true)) << testing::PrintToString(text);
  }
  for (uint32_t code = 0; code < 0x110000; code += code < 0x800 ? 1 : 61) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    if (code < 0x80)
      text = {static_cast<char>(code)};
    else if (code < 0x800)
      text = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    else if (code < 0x10000)
      text = {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
              static_cast<char>(0x80 | (code & 63))};
    else
      text = {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 63)),
              static_cast<char>(0x80 | (code >> 6 & 63)), static_cast<char>(0x80 | (code & 63))};
    EXPECT_EQ(json_quoted(text, JsonForm::ascii), dumped(text, -1, true)) << code;
    EXPECT_EQ(json_quoted(text, JsonForm::document), dumped(text, -1)) << code;
  }
}

TEST(JsonStrings, OfResultLinesKeepTheirForm) {
  EXPECT_EQ(json_quoted("a\tb\r\n\"\\\x1b\xe2\x82!\u00e4\x7f"),
            "\"a\\u0009b\\u000d\\n\\\"\\\\\\u001b\uFFFD\uFFFD!\u00e4\x7f\"");
}

TEST(JsonNumbers, OfDocumentsAreTheLibrarys) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 100'000; ++i) {
    const double wide = std::bit_cast<double>(random());
    const double near =
        static_cast<float>(std::ldexp(static_cast<double>(random() >> 11), -static_cast<int>(random() % 90)));
    for (const double value : {wide, near}) EXPECT_EQ(json::real_text(value), dumped(value, -1));
  }
  EXPECT_EQ(json::real_text(100000), "100000.0");
  EXPECT_EQ(json::real_text(1e-5), "1e-05");
  EXPECT_EQ(json::real_text(-0.0), "-0.0");
  EXPECT_EQ(json::real_text(std::numeric_limits<double>::infinity()), "null");
}

// Any value, with texts that are UTF-8.
Ordered some_value(std::mt19937& random, int levels) {
  switch (random() % (levels > 0 ? 8 : 6)) {
    case 0:
      return nullptr;
    case 1:
      return random() % 2 == 0;
    case 2:
      return static_cast<int64_t>(random()) - 1'000'000'000;
    case 3:
      return std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 120) - 60);
    case 4:
      return UINT64_MAX - random();
    case 5:
      return std::string(random() % 4, 'a') + (random() % 2 ? "\u00e4\n" : "\"\b");
    case 6: {
      Ordered list = Ordered::array();
      for (uint32_t left = random() % 5; left > 0; --left) list.push_back(some_value(random, levels - 1));
      return list;
    }
    default: {
      Ordered object = Ordered::object();
      for (uint32_t left = random() % 12; left > 0; --left)
        object["k" + std::to_string(left)] = some_value(random, levels - 1);
      return object;
    }
  }
}

TEST(JsonWriter, WritesADocumentAgainByteForByte) {
  std::mt19937 random(11);
  for (int round = 0; round < 5000; ++round) {
    const Ordered value = some_value(random, 5);
    const json::Document document = json::parse(dumped(value, -1), "a");
    for (const int indent : {-1, 0, 1, 2}) {
      JsonWriter writer(indent);
      json::write(writer, document.root());
      ASSERT_EQ(writer.json(), dumped(value, indent));
    }
  }
}

TEST(JsonWriter, FieldsOfEveryType) {
  JsonWriter writer(1);
  writer.begin_object();
  writer.field("a", 1);
  writer.field("b", true);
  writer.field("c", "text");
  writer.field("d", std::string("x\t"));
  writer.field("e", nullptr);
  writer.field("f", UINT64_MAX);
  writer.raw_field("g", "1.50");
  writer.key("h");
  writer.begin_list();
  writer.begin_object();
  writer.end_object();
  writer.value(int8_t{-3});
  writer.end_list();
  writer.key("i");
  writer.begin_list();
  writer.end_list();
  writer.end_object();
  EXPECT_EQ(writer.json(),
            "{\n \"a\": 1,\n \"b\": true,\n \"c\": \"text\",\n \"d\": \"x\\t\",\n \"e\": null,\n"
            " \"f\": 18446744073709551615,\n \"g\": 1.50,\n \"h\": [\n  {},\n  -3\n ],\n \"i\": []\n}");
}

}  // namespace
}  // namespace gpt2run
