// The attention sink: arrays that NumPy reads, an index of them, and a page whose size is bounded.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "sinks/tap_fixture.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

class Attention : public test::TapSinkTest {
 protected:
  std::unique_ptr<Sink> attention(test::OptionValues options = {}) const {
    options.try_emplace("dir", folder_);
    auto made = sink("attention", options);
    made->begin(test::kTapManifest);
    return made;
  }

  // The weight that head h of a layer gives a token, told apart in all of them.
  static float weight(int layer, int head, int i, int j) { return (1 + layer + 2 * head + i) / (10.f * (1 + j)); }

  // A step of both layers. keys: how many the session has, zeros behind the row's own position.
  void step(Sink& sink, const std::vector<TensorRow>& owners, int keys) {
    for (int layer = 0; layer < 2; ++layer) {
      std::vector<float> values;
      for (const TensorRow& row : owners)
        for (int head = 0; head < 2; ++head)
          for (int j = 0; j < keys; ++j)
            values.push_back(j <= row.position ? weight(layer, head, row.position, j) : 0.f);
      tensor(sink, "attention_weights", layer, owners, values);
    }
  }

  json index() const { return json::parse(content_of(path("attention.json"))); }

  std::vector<json> page_data() const {
    const std::string page = content_of(path("attention.html"));
    const std::string open = "<script type=\"application/json\" class=\"data\">";
    std::vector<json> found;
    for (size_t at = 0; (at = page.find(open, at)) != page.npos;) {
      at += open.size();
      found.push_back(json::parse(page.substr(at, page.find("</script>", at) - at)));
    }
    return found;
  }

  static std::vector<int> bytes_of(const std::string& base64) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<int> bytes;
    int bits = 0, value = 0;
    for (const char c : base64) {
      if (c == '=') break;
      value = (value << 6 | static_cast<int>(digits.find(c))) & 0xFFFF;
      if ((bits += 6) >= 8) bytes.push_back(value >> (bits -= 8) & 255);
    }
    return bytes;
  }
};

TEST_F(Attention, WritesAnArrayForEachLayerAndAnIndex) {
  auto sink = attention();
  EXPECT_EQ(sink->wants(), uint32_t{kTaps | kAnyOrder});
  EXPECT_TRUE(sink->taps("attention_weights"));
  for (const char* op : {"attention", "embed", "down_add"}) EXPECT_FALSE(sink->taps(op)) << op;
  for (uint64_t sequence : {0, 1}) sink->start(sequence, "p", std::vector<int32_t>(3, 1));
  step(*sink, {{1, 0, 4}, {0, 0, 1}, {0, 1, 2}}, 4);
  step(*sink, {{0, 0, 1}, {0, 1, 2}, {0, 2, 3}}, 3);  // as --recompute feeds them
  sink->finish(1, "", "length");
  sink->finish(0, "", "length");
  EXPECT_FALSE(std::filesystem::exists(path("attention.json"))) << "files appear at the end";
  sink->end("{}");
  EXPECT_EQ(files(), (std::vector<std::string>{"attention.html", "attention.json", "attention_0_h0.npy",
                                               "attention_0_h1.npy", "attention_1_h0.npy", "attention_1_h1.npy"}));
  for (int layer = 0; layer < 2; ++layer) {
    const std::string npy = content_of(path("attention_0_h" + std::to_string(layer) + ".npy"));
    ASSERT_EQ(npy.size(), 128 + sizeof(float) * 2 * 3 * 3);
    EXPECT_NE(npy.find("'shape': (2, 3, 3), }"), npy.npos);
    EXPECT_EQ(npy[127], '\n');
    for (int head = 0; head < 2; ++head) {
      for (int i = 0; i < 3; ++i) {
        for (int j = 0; j < 3; ++j) {
          float found;
          std::memcpy(&found, npy.data() + 128 + sizeof found * ((head * 3 + i) * 3 + j), sizeof found);
          EXPECT_EQ(found, j <= i ? weight(layer, head, i, j) : 0) << layer << head << i << j;
        }
      }
    }
  }
  const json sequences = index()["sequences"];
  ASSERT_EQ(sequences.size(), 2u);
  EXPECT_EQ(sequences[0]["sequence"], 1);
  EXPECT_EQ(sequences[1]["tokens"], (json{1, 2, 3}));
  EXPECT_EQ(sequences[1]["texts"], (json{"</script><b>", "\\xe2\\x82", "#3"}));
  EXPECT_EQ(sequences[1]["files"][1], (json{{"layer", 1}, {"file", "attention_0_h1.npy"}, {"shape", {2, 3, 3}}}));
}

TEST_F(Attention, IsAPageOfWeightsInEightBits) {
  auto sink = attention({{"npy", "off"}, {"layers", "1"}});
  sink->start(7, "p", std::vector<int32_t>(2, 1));
  step(*sink, {{7, 0, 1}, {7, 1, 4}}, 2);
  sink->finish(7, "", "length");
  sink->end("{}");
  EXPECT_EQ(files(), (std::vector<std::string>{"attention.html", "attention.json"}));
  const std::string page = content_of(path("attention.html"));
  EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
  for (const char* mark : {"@DATA@", "@STYLE@", "@SCRIPT@", "<b>", "http://", "https://", "src=", "\x1b"})
    EXPECT_EQ(page.find(mark), page.npos) << mark;
  EXPECT_NE(page.find("default-src 'none'"), page.npos) << "the browser is told to ask no one";
  const std::vector<json> data = page_data();
  ASSERT_EQ(data.size(), 1u);
  EXPECT_EQ(data[0]["sequence"], 7);
  EXPECT_EQ(data[0]["heads"], 2);
  EXPECT_EQ(data[0]["layers"], json{1});
  EXPECT_EQ(data[0]["texts"], (json{"</script><b>", "\\x1b[31m\\n"}));
  const auto byte = [](int head, int i, int j) { return static_cast<int>(std::lround(weight(1, head, i, j) * 255)); };
  EXPECT_EQ(bytes_of(data[0]["weights"]), (std::vector<int>{byte(0, 0, 0), byte(0, 1, 0), byte(0, 1, 1), byte(1, 0, 0),
                                                            byte(1, 1, 0), byte(1, 1, 1)}));
}

TEST_F(Attention, ThePageShowsTheBeginningOfALongText) {
  auto sink = attention({{"npy", "off"}, {"page_tokens", "3"}});
  sink->start(0, "p", std::vector<int32_t>(5, 1));
  step(*sink, {{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}}, 8);
  sink->finish(0, "", "length");
  sink->end("{}");
  const json data = page_data().at(0);
  EXPECT_EQ(data["texts"].size(), 3u);
  EXPECT_EQ(data["tokens"], 5);
  EXPECT_EQ(bytes_of(data["weights"]).size(), 2u * 2 * 6);
  const auto log = test::PluginLog::instance().take();
  ASSERT_EQ(log.size(), 2u);
  EXPECT_TRUE(log[0].starts_with("2 ") && log[0].find("first 3 of its 5 tokens") != log[0].npos) << log[0];
  EXPECT_TRUE(log[1].starts_with("1 ") && log[1].find(path("attention.html")) != log[1].npos) << log[1];
  EXPECT_EQ(index()["sequences"][0]["files"], json::array());
}

TEST_F(Attention, LeavesNothingBehindWithoutEndAndSaysWhatIsWrong) {
  auto sink = attention();
  sink->start(0, "p", std::vector<int32_t>(2, 1));
  step(*sink, {{0, 0, 1}}, 2);
  EXPECT_NE(error_of([&] { step(*sink, {{0, 2, 1}}, 3); }).find("position"), std::string::npos);
  sink->finish(0, "", "length");
  sink.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
  auto shifted = attention();
  shifted->start(0, "p", {});
  step(*shifted, {{0, 0, 1}}, 1);
  EXPECT_NE(error_of([&] { step(*shifted, {{0, 1, 1}}, 1); }).find("below 1, found 1"), std::string::npos);
  shifted.reset();
  auto torn = attention();
  torn->start(0, "p", {});
  EXPECT_NE(error_of([&] {
              tensor(*torn, "attention_weights", 0, {{0, 0, 1}}, {1, 2, 3});
            }).find("2 heads"),
            std::string::npos);
  torn.reset();
  auto silent = attention();
  silent->start(0, "p", std::vector<int32_t>(2, 1));
  silent->finish(0, "", "length");
  EXPECT_NE(error_of([&] { silent->end("{}"); }).find("precision"), std::string::npos);
  silent.reset();
  auto unknown = this->sink("attention", {{"dir", folder_}});
  unknown->begin("{}");
  unknown->start(0, "p", {});
  EXPECT_NE(error_of([&] { step(*unknown, {{0, 0, 1}}, 1); }).find("number of heads"), std::string::npos);
  EXPECT_NE(error_of([&] { attention({{"layers", "x"}}); }).find("layers"), std::string::npos);
  EXPECT_NE(error_of([&] { attention({{"layers", "0-2"}}); }).find("0 to 1, found 0-2"), std::string::npos);
}

}  // namespace
}  // namespace gpt2run
