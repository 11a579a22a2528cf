// What Hugging Face tokenizers and transformers make of texts with small tokenizers in every kind of file, from
// tests/golden/tokenizer/files.json, which scripts/make_tokenizer_file_goldens.py writes; and tokenizer.json made from
// vocabularies whose ids are known.
#include <gtest/gtest.h>

#include "gpt2run/tokenizer/tokenizer.hpp"
#include "support/program.hpp"
#include "tokenizer/demo_folder.hpp"
#include "tokenizer/golden_cases.hpp"

namespace gpt2run::test {
namespace {

using nlohmann::json;

const json& golden() {
  static const json goldens =
      json::parse(read_whole(std::filesystem::path(SOURCE_DIR) / "tests/golden/tokenizer/files.json"));
  return goldens;
}

void check_one(const Tokenizer& tokenizer, const json& golden_case) {
  const std::string text = text_of(golden_case);
  const std::vector<int32_t> ids = tokenizer.encode(text, golden_case.at("special").get<bool>());
  if (golden_case.contains("ids")) {
    EXPECT_EQ(ids, golden_case["ids"].get<std::vector<int32_t>>()) << golden_case;
  } else {
    EXPECT_EQ(ids.size(), golden_case.at("count").get<size_t>()) << golden_case;
    EXPECT_EQ(fnv1a(ids), golden_case.at("fnv1a").get<std::string>()) << golden_case;
  }
  // The libraries show bytes that are no UTF-8 as U+FFFD, and here they come back.
  const std::string decoded = golden_case.value("decoded", "\ufffd");
  if (decoded.find("\ufffd") == decoded.npos) {
    EXPECT_EQ(tokenizer.decode(ids), decoded) << golden_case;
  }
}

TEST(TokenizerFileGolden, EveryKindOfFile) {
  size_t count = 0;
  for (const json& one : golden().at("tokenizers")) {
    SCOPED_TRACE(one.at("name"));
    ScratchFolder folder;
    for (const auto& [name, bytes] : one.at("files").items()) folder.file(name, bytes.get<std::string>());
    const auto tokenizer = Tokenizer::open(folder.path().string());
    for (const json& golden_case : one.at("cases")) check_one(*tokenizer, golden_case);
    count += one.at("cases").size();
  }
  EXPECT_GT(count, 250u);
}

// The tokenizer.json of vocab.json and merges.txt. pairs: how merges are spelled.
std::string tokenizer_json(const std::filesystem::path& folder, bool pairs) {
  json merges = json::array();
  std::istringstream lines(read_whole(folder / "merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#version")) continue;
    const size_t blank = line.find(' ');
    merges.push_back(pairs ? json{line.substr(0, blank), line.substr(blank + 1)} : json(line));
  }
  return json{
      {"version", "1.0"},
      {"added_tokens", json::array()},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", json::parse(read_whole(folder / "vocab.json"))}, {"merges", merges}}}}
      .dump();
}

void expect_same_ids(const std::filesystem::path& vocabulary, const char* name, bool with_files) {
  for (const bool pairs : {false, true}) {
    ScratchFolder folder;
    folder.file("tokenizer.json", tokenizer_json(vocabulary, pairs));
    const auto tokenizer = Tokenizer::open(folder.path().string());
    EXPECT_GT(check_all(*tokenizer, name, false), 40u);
    if (with_files) {
      EXPECT_EQ(check_all(*tokenizer, name, true), 3u);
    }
  }
}

TEST(TokenizerFileGolden, DemoVocabularyAsTokenizerJson) { expect_same_ids(demo_folder(), "demo", false); }

TEST(TokenizerFileGolden, Gpt2VocabularyAsTokenizerJson) {
  if (!std::filesystem::exists(kShared / "gpt2")) GTEST_SKIP() << "SKIPPED: no GPT-2 vocabulary in " << kShared;
  expect_same_ids(kShared / "gpt2", "gpt2", true);
}

}  // namespace
}  // namespace gpt2run::test
