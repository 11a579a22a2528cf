// The logits sink: files that a JSON and a NumPy reader take, exact values, streamed, whole or absent.
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "sinks/sink_fixture.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

const std::string kManifest =
    R"({"plugins": [{"kind": "loader", "name": "x"}, {"kind": "precision", "name": "cpu-fp16", "options": {}}]})";

class Logits : public test::SinkTest {
 protected:
  std::unique_ptr<Sink> logits(test::OptionValues options = {}) const {
    options.try_emplace("dir", folder_);
    return sink("logits", options);
  }
  json read(const std::string& name) const { return json::parse(content_of(path(name))); }
};

TEST_F(Logits, WritesOneObjectPerStep) {
  const std::vector<float> first = {-1.5f, 0.1f, 1e-45f, -0.0f}, second = {3.4028235e38f, -33.123456f, 16777216, 7};
  auto sink = logits();
  EXPECT_EQ(sink->wants(), uint32_t{kLogits | kLogprob | kAnyOrder});
  sink->begin(kManifest);
  sink->start(3, "Once", {});
  token(*sink, 3, 0, " \"up\"\n", -0.5f, first);
  token(*sink, 3, 1, "", -1.5f, second);
  sink->finish(3, " on", "length");
  EXPECT_FALSE(std::filesystem::exists(path("generation_FP16_3.json"))) << "files appear at the end";
  sink->end("{}");

  const json steps = read("generation_FP16_3.json");
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].size(), 5u);
  EXPECT_EQ(steps[0]["step"], 0);
  EXPECT_EQ(steps[0]["token"], 100);
  EXPECT_EQ(steps[0]["text"], " \"up\"\n");
  EXPECT_EQ(steps[0]["logprob"], -0.5);
  EXPECT_EQ(steps[1]["step"], 1);
  EXPECT_EQ(steps[1]["token"], 101);
  EXPECT_EQ(steps[1]["text"], " on") << "text held back until the end belongs to the last step";
  EXPECT_EQ(steps[0]["logits"].get<std::vector<float>>(), first);
  EXPECT_EQ(steps[1]["logits"].get<std::vector<float>>(), second);
  EXPECT_EQ(steps[1].size(), 7u);
  EXPECT_EQ(steps[1]["avg_logprob"], -1.0);
  EXPECT_DOUBLE_EQ(steps[1]["perplexity"].get<double>(), std::exp(1.0));
  EXPECT_EQ(files(), std::vector<std::string>{"generation_FP16_3.json"});
}

TEST_F(Logits, WritesValuesAsShortAsTheyReadBackAndNullForWhatJsonCannotSay) {
  auto sink = logits({{"name", "x"}});
  sink->begin("");
  sink->start(0, "", {});
  token(*sink, 0, 0, "", std::nanf(""), std::vector<float>{0.1f, INFINITY, -INFINITY, std::nanf(""), -30});
  sink->finish(0, "", "length");
  sink->end("{}");
  EXPECT_NE(content_of(path("generation_x_0.json")).find("[0.1,null,null,null,-30]"), std::string::npos);
  EXPECT_TRUE(read("generation_x_0.json")[0]["perplexity"].is_null());
}

TEST_F(Logits, TextIsAlwaysValidJson) {
  auto sink = logits({{"name", "x"}});
  sink->begin("{}");
  sink->start(0, "", {});
  std::string every;
  for (int byte = 0; byte < 128; ++byte) every += static_cast<char>(byte);
  token(*sink, 0, 0, every + "\u00e9\U0001F600", 0, std::vector<float>{1});
  token(*sink, 0, 1, "a\xff\xc3", 0, std::vector<float>{1});
  sink->finish(0, "", "length");
  sink->end("{}");
  const json steps = read("generation_x_0.json");
  EXPECT_EQ(steps[0]["text"].get<std::string>(), every + "\u00e9\U0001F600");
  EXPECT_EQ(steps[1]["text"].get<std::string>(), "a\ufffd\ufffd");
}

TEST_F(Logits, KeepsSequencesThatComeInterleavedApart) {
  auto sink = logits();
  sink->begin(kManifest);
  for (uint64_t sequence : {0, 1, 2}) sink->start(sequence, "", {});
  for (int step = 0; step < 4; ++step) {
    for (uint64_t sequence : {2, 0, 1}) {
      if (step > static_cast<int>(sequence)) continue;
      token(*sink, sequence, step, std::to_string(step), -1, std::vector<float>{float(sequence), float(step)});
      if (step == static_cast<int>(sequence)) sink->finish(sequence, "", "length");
    }
  }
  sink->start(3, "", {});
  sink->finish(3, "", "length");
  sink->end("{}");
  for (int sequence : {0, 1, 2}) {
    const json steps = read("generation_FP16_" + std::to_string(sequence) + ".json");
    ASSERT_EQ(steps.size(), sequence + 1u);
    for (int step = 0; step <= sequence; ++step) EXPECT_EQ(steps[step]["logits"], json({float(sequence), float(step)}));
  }
  EXPECT_EQ(read("generation_FP16_3.json"), json::array());
  EXPECT_EQ(test::PluginLog::instance().take(),
            std::vector<std::string>{"1 logits: wrote " + path("generation_FP16_0.json") + " and 3 more"});
}

TEST_F(Logits, WritesNumpyArrays) {
  const std::vector<float> rows[] = {{1, -INFINITY, 0.1f}, {4, 5, 6}};
  auto sink = logits({{"format", "npy"}});
  sink->begin(kManifest);
  sink->start(0, "", {});
  for (int step : {0, 1}) token(*sink, 0, step, "t", -1, rows[step]);
  sink->finish(0, "", "length");
  sink->end("{}");
  const std::string npy = content_of(path("generation_FP16_0.npy"));
  ASSERT_EQ(npy.size(), 128u + sizeof(float) * 6);
  EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(npy.substr(8, 2), std::string("\x76\x00", 2));
  EXPECT_EQ(npy.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(npy[127], '\n');
  for (int step : {0, 1}) EXPECT_EQ(std::memcmp(npy.data() + 128 + 12 * step, rows[step].data(), 12), 0);
  const json steps = read("generation_FP16_0.json");
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_FALSE(steps[0].contains("logits"));
  EXPECT_TRUE(steps[1].contains("perplexity"));
}

TEST_F(Logits, NamesFilesByThePrecisionsType) {
  const auto name_for = [&](const std::string& manifest) {
    auto sink = logits();
    sink->begin(manifest);
    sink->start(0, "", {});
    sink->finish(0, "", "length");
    sink->end("{}");
    const std::string name = files().at(0);
    std::filesystem::remove(path(name));
    return name;
  };
  EXPECT_EQ(name_for(kManifest), "generation_FP16_0.json");
  EXPECT_EQ(
      name_for(R"({"plugins": [{"kind": "precision", "name": "reference", "options": {"type": "bf16", "n": 3}}]})"),
      "generation_BF16_0.json");
  const std::string deep = "{\"plugins\": " + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  for (const char* manifest :
       {"", "{}", "[]", "not JSON", R"({"plugins": 3})", R"({"plugins": [1, {}]})", deep.c_str()}) {
    EXPECT_EQ(name_for(manifest), "generation_UNKNOWN_0.json") << std::string_view(manifest).substr(0, 99);
  }
}

TEST_F(Logits, IsStreamedAndLeavesNothingBehindWithoutEnd) {
  const std::vector<float> row(50257, -33.3333f);
  auto sink = logits();
  sink->begin(kManifest);
  sink->start(0, "", {});
  for (int step = 0; step < 4; ++step) token(*sink, 0, step, "t", -1, row);
  ASSERT_EQ(files().size(), 1u);
  EXPECT_GT(std::filesystem::file_size(folder_ / files()[0]), row.size() * 3 * 8);
  sink->start(1, "", {});
  sink->finish(1, "", "length");
  sink.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(Logits, TwoSinksOfOneRunDoNotShareAFile) {
  auto one = logits(), two = logits();
  for (Sink* sink : {one.get(), two.get()}) sink->begin(kManifest);
  one->start(0, "", {});
  EXPECT_THROW(two->start(0, "", {}), Error);
  token(*one, 0, 0, "one", -1, std::vector<float>{1});
  one->finish(0, "", "length");
  two.reset();
  one->end("{}");
  EXPECT_EQ(read("generation_FP16_0.json").at(0).at("text"), "one");
  EXPECT_EQ(files(), std::vector<std::string>{"generation_FP16_0.json"});
}

TEST_F(Logits, NamesTheFileThatADiskCannotTake) {
  // A limit on file sizes stands for a full disk: both make write() fail in the middle of a run.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {100000, before.rlim_max};
  const auto sizes = signal(SIGXFSZ, SIG_IGN);
  for (const char* format : {"json", "npy"}) {
    auto sink = logits({{"format", format}});
    sink->begin(kManifest);
    sink->start(0, "", {});
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string error = error_of([&] {
      for (int step = 0; step < 9; ++step) token(*sink, 0, step, "t", -1, std::vector<float>(50257, -1.5f));
    });
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(error, path("generation_FP16_0.") + format + ": cannot write: File too large");
    sink.reset();
    EXPECT_EQ(files(), std::vector<std::string>{});
  }
  signal(SIGXFSZ, sizes);
}

TEST_F(Logits, MakesItsFolderAndNamesOneThatItCannotMake) {
  auto sink = logits({{"dir", path("a/b")}});
  sink->begin(kManifest);
  sink->start(0, "", {});
  sink->finish(0, "", "length");
  sink->end("{}");
  EXPECT_TRUE(std::filesystem::exists(path("a/b/generation_FP16_0.json")));

  std::ofstream(path("file")) << "not a folder";
  auto broken = logits({{"dir", path("file/inside")}});
  broken->begin(kManifest);
  const std::string error = error_of([&] { broken->start(0, "", {}); });
  EXPECT_NE(error.find(path("file/inside")), std::string::npos) << error;
  EXPECT_NE(error.find("Not a directory"), std::string::npos) << error;
  EXPECT_NE(error_of([&] { logits({{"name", "../x"}}); }), "no error");
}

}  // namespace
}  // namespace gpt2run
