// The cases of tests/golden/tokenizer/ids.json.
#include "golden_cases.hpp"

#include <gtest/gtest.h>

#include "support/program.hpp"

namespace gpt2run::test {

using nlohmann::json;

namespace {

void append_utf8(uint32_t c, std::string& text) {
  if (c < 0x80) {
    text.push_back(static_cast<char>(c));
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  text.push_back(static_cast<char>((0xF0 << (3 - more) & 0xFF) | c >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) text.push_back(static_cast<char>(0x80 | (c >> (6 * i) & 0x3F)));
}

bool is_surrogate(uint64_t c) { return c >= 0xD800 && c < 0xE000; }

// The generator of the script, step by step.
std::string random_text(uint64_t seed, int characters) {
  constexpr char32_t kPool[] =
      U" \t\n\r'sdmtlvreTA1!\u00a0\u3000\u2003\u00e9\u4e2d\u0436\u0663\u00bd\u0301\u180e\u0085";
  std::string text;
  uint64_t state = seed;
  for (int i = 0; i < characters; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t kind = state >> 33 & 3, value = state >> 35;
    uint64_t c = kind == 0 ? value % 128 : value % (kind == 2 ? 0x3000 : 0x110000);
    if (kind == 1) c = kPool[value % (std::size(kPool) - 1)];
    append_utf8(is_surrogate(c) ? '?' : static_cast<uint32_t>(c), text);
  }
  return text;
}

std::string every_code_point(const std::string& companions) {
  std::string text, character;
  for (uint32_t c = 0; c < 0x110000; ++c) {
    if (is_surrogate(c)) continue;
    character.clear();
    append_utf8(c, character);
    for (const char before : companions) (text += before) += character;
    text += '\n';
  }
  return text;
}

// The names of a case, without its ids.
std::string name_of(json golden_case) {
  golden_case.erase("ids");
  return golden_case.dump();
}

}  // namespace

const std::filesystem::path kShared = std::filesystem::path(SOURCE_DIR) / "../shared/data";

const json& golden_ids() {
  static const json goldens =
      json::parse(read_whole(std::filesystem::path(SOURCE_DIR) / "tests/golden/tokenizer/ids.json"));
  return goldens;
}

std::string fnv1a(const std::vector<int32_t>& ids) {
  uint64_t value = 0xCBF29CE484222325u;
  for (const int32_t id : ids) value = (value ^ static_cast<uint64_t>(id)) * 0x100000001B3u;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(value));
  return digits;
}

std::string text_of(const json& golden_case) {
  if (golden_case.contains("text")) return golden_case["text"];
  if (golden_case.contains("file")) return read_whole(kShared / golden_case["file"].get<std::string>());
  if (golden_case.contains("random")) return random_text(golden_case["random"], golden_case["characters"]);
  if (golden_case.contains("companions")) return every_code_point(golden_case["companions"]);
  std::string text;
  for (int i = 0; i < golden_case.at("times"); ++i) text += golden_case["word"].get<std::string>();
  return text;
}

void check(const Tokenizer& tokenizer, const json& golden_case) {
  const std::string text = text_of(golden_case);
  const bool special = golden_case.contains("file") || golden_case.value("special", false);
  const std::vector<int32_t> ids = tokenizer.encode(text, special);
  if (golden_case.contains("ids")) {
    EXPECT_EQ(ids, golden_case["ids"].get<std::vector<int32_t>>()) << name_of(golden_case);
  } else {
    EXPECT_EQ(ids.size(), golden_case.at("count").get<size_t>()) << name_of(golden_case);
    EXPECT_EQ(fnv1a(ids), golden_case.at("fnv1a").get<std::string>()) << name_of(golden_case);
  }
  EXPECT_TRUE(tokenizer.decode(ids) == text) << name_of(golden_case);
}

// The cases of one vocabulary that need a file beside the project, or those that need none.
std::vector<json> cases_of(const char* vocabulary, bool with_file) {
  std::vector<json> found;
  for (const json& golden_case : golden_ids().at("cases")) {
    const bool wanted = golden_case.at("vocabulary") == vocabulary && golden_case.contains("file") == with_file;
    if (wanted) found.push_back(golden_case);
  }
  return found;
}

// Returns how many there were.
size_t check_all(const Tokenizer& tokenizer, const char* vocabulary, bool with_file) {
  const std::vector<json> all = cases_of(vocabulary, with_file);
  for (const json& golden_case : all) check(tokenizer, golden_case);
  return all.size();
}

}  // namespace gpt2run::test
