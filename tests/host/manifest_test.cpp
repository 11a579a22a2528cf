// Manifests and prompt files of any size.
#include "common/config/manifest.hpp"

#include <gmock/gmock.h>

#include "common/config/config.hpp"
#include "common/prompts/prompt_file.hpp"
#include "support/error_of.hpp"
#include "support/messages.hpp"
#include "support/sanitizers.hpp"

namespace gpt2run {
namespace {

using test::error_of;
using test::IsMessage;
using testing::HasSubstr;

Manifest small() {
  Manifest manifest;
  manifest.program = "1";
  manifest.prompts = {{"hi", {1, 2}}};
  return manifest;
}

TEST(ManifestText, NumbersAreWrittenInOneForm) {
  Manifest manifest = small();
  manifest.options = {{"a", "18446744073709551615", "int"},
                      {"b", "-7", "int"},
                      {"c", "1e-05", "real"},
                      {"d", "0", "real"},
                      {"e", "-0", "real"},
                      {"f", "100000", "real"},
                      {"g", "0.1", "real"},
                      {"h", "1e+20", "real"},
                      {"i", "1", "text"},
                      {"b", "8", "int"},
                      {"j", "off", "bool"},
                      {"k", "\t\xff\x1b", "text"}};
  EXPECT_THAT(
      manifest.to_json(),
      HasSubstr("\"options\": {\n    \"a\": 18446744073709551615,\n    \"b\": [\n      -7,\n      8\n    ],\n"
                "    \"c\": 1e-05,\n    \"d\": 0,\n    \"e\": 0,\n    \"f\": 100000,\n    \"g\": 0.1,\n"
                "    \"h\": 1e+20,\n    \"i\": \"1\",\n    \"j\": false,\n    \"k\": \"\\t\uFFFD\\u001b\"\n  },"));
}

// In time that grows with the square of their number these would take hours.
TEST(ManifestText, HasAsManyOptionsAsOneLikes) {
  SKIP_UNDER_ASAN(test::kSlowUnderAsan);
  constexpr size_t kMany = 500'000;
  Manifest manifest = small();
  for (size_t i = 0; i < kMany; ++i)
    manifest.options.push_back({std::string("o").append(std::to_string(i)), std::to_string(i), "int"});
  const Manifest back = Manifest::from_json("a.json", manifest.to_json());
  ASSERT_EQ(back.options.size(), kMany);
  EXPECT_EQ(back.options.back().key, "o499999");
  EXPECT_EQ(back.options.back().value, "499999");
}

TEST(ManifestText, HasAsManyPromptsAsOneLikes) {
  SKIP_UNDER_ASAN(test::kSlowUnderAsan);
  constexpr size_t kMany = 200'000;
  Manifest manifest = small();
  for (size_t i = 1; i < kMany; ++i) manifest.prompts.push_back({"a", {static_cast<int32_t>(i)}});
  const Manifest back = Manifest::from_json("a.json", manifest.to_json());
  ASSERT_EQ(back.prompts.size(), kMany);
  EXPECT_EQ(back.prompts.back().origin, "a.json: prompts[199999]");
}

// Who gets a manifest from a stranger repeats a run; he neither loads code nor overwrites a file by it.
TEST(ManifestText, BringsNeitherPluginsNorAFileToWrite) {
  constexpr CoreOption kCore[] = {{{"config", "text", "", "", "file"}},
                                  {{"manifest", "text", "", "", "file"}},
                                  {{"plugin_dir", "text", "", "", "folder"}, 0, true}};
  const test::ScratchFolder folder;
  const auto read = [&](const std::string& key, const std::vector<std::string>& more) {
    Manifest manifest = small();
    manifest.options = {{key, "/somewhere", "text"}};
    std::vector<std::string> line{"--config", folder.file("run.json", manifest.to_json()).string()};
    line.insert(line.end(), more.begin(), more.end());
    return Configuration(kCore, line).list("plugin_dir");
  };
  const auto refusal_of = [&](const std::string& key, const std::vector<std::string>& more) {
    return error_of([&] { read(key, more); });
  };
  EXPECT_THAT(refusal_of("plugin_dir", {}), IsMessage("run.json: plugin_dir:", "\"/somewhere\"", "--plugin-dir"));
  EXPECT_THAT(refusal_of("plugin-dir", {}), IsMessage("run.json: plugin-dir:", "--plugin-dir"));
  EXPECT_THAT(read("plugin_dir", {"--plugin-dir", "mine"}), testing::ElementsAre("mine"));
  EXPECT_THAT(refusal_of("manifest", {"--manifest", "mine"}), IsMessage("run.json: manifest:", "--manifest"));
}

TEST(PromptLines, HoldAsManyObjectsAsOneLikes) {
  const test::ScratchFolder folder;
  std::string line = R"({"prompt": "a", "more": [{})";
  for (int i = 0; i < 1'000'000; ++i) line += ",{}";
  const std::string file = folder.file("p.jsonl", line + "]}\n").string();
  EXPECT_EQ(read_prompt_file(file, {0, 0}).prompts.at(0).text, "a");
}

}  // namespace
}  // namespace gpt2run
