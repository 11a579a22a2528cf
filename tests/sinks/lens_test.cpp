// The lens sink: the most likely tokens after each layer, and how likely the last layer's token is in the others.
#include <cmath>
#include <nlohmann/json.hpp>

#include "gpt2run/sdk/log_softmax.hpp"
#include "gpt2run/sdk/row_reading.hpp"
#include "sinks/tap_fixture.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

class Lens : public test::TapSinkTest {
 protected:
  std::unique_ptr<Sink> lens(test::OptionValues options = {}) const {
    options.try_emplace("out", path("lens"));
    auto made = sink("lens", options);
    made->begin(test::kTapManifest);
    return made;
  }

  // A step of rows whose residual is the same row after each layer but the last.
  void step(Sink& sink, const std::vector<TensorRow>& owners, const std::vector<float>& early,
            const std::vector<float>& late, bool has_words = true) {
    tensor(sink, "embed", -1, owners, early, has_words);
    tensor(sink, "down_add", 0, owners, early, has_words);
    tensor(sink, "down_add", 1, owners, late, has_words);
  }

  std::vector<json> lines() const {
    std::istringstream text(content_of(path("lens")));
    std::vector<json> objects;
    for (std::string line; std::getline(text, line);) objects.push_back(json::parse(line));
    return objects;
  }
};

TEST(ReadRow, AgreesWithTheSumsInDouble) {
  uint32_t state = 1;
  for (const float scale : {0.01f, 1.f, 30.f, 300.f}) {
    std::vector<float> logits(50257);
    for (float& logit : logits)
      logit = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / 0x1p24f * scale;
    logits[7] = -INFINITY, logits[8] = logits[9];
    for (const int32_t given : {-1, 0, 7, 8, 9, 50256}) {
      const RowReading reading = read_row(logits, 3, given);
      const std::vector<int32_t> top = most_likely(logits, 3);
      const int32_t id = given < 0 ? top[0] : given;
      for (int i = 0; i < 3; ++i) EXPECT_EQ(reading.top[i].id, top[i]);
      const auto expected = static_cast<float>(log_probability(logits.data(), 50257, id));
      if (id == 7)
        EXPECT_EQ(reading.logprob, -INFINITY);
      else
        EXPECT_NEAR(reading.logprob, expected, 1e-6 * std::max(1.f, std::abs(expected)));
      int32_t rank = 1;
      for (int32_t other = 0; other < 50257; ++other)
        rank += logits[other] > logits[id] || (logits[other] == logits[id] && other < id);
      EXPECT_EQ(reading.rank, rank) << id;
    }
  }
}

TEST_F(Lens, TellsEveryLayersTopAndTheFinalTokensRank) {
  auto sink = lens({{"format", "jsonl"}, {"top", "2"}});
  EXPECT_EQ(sink->wants(), uint32_t{kTaps | kAnyOrder});
  for (const char* op : {"embed", "down_add"}) EXPECT_TRUE(sink->taps(op)) << op;
  for (const char* op : {"norm_qkv", "attention", "attention_weights", "project_add", "norm_up_gelu", "norm_logits"})
    EXPECT_FALSE(sink->taps(op)) << op;
  sink->start(0, "p", std::vector<int32_t>{3, 1});
  step(*sink, {{0, 0, 3}, {0, 1, 1}}, {1, 2, 3, 0, 0, -2}, {4, 2, 3, 9, 9.5f, 8});
  sink->finish(0, "", "length");
  sink->end("{}");

  const std::vector<json> found = lines();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0]["sequence"], 0);
  EXPECT_EQ(found[0]["position"], 0);
  EXPECT_EQ(found[0]["token"], (json{{"id", 3}, {"text", ""}}));
  EXPECT_EQ(found[0]["final"], (json{{"id", 0}, {"text", " a"}}));
  ASSERT_EQ(found[0]["layers"].size(), 3u);
  const json& embed = found[0]["layers"][0];
  EXPECT_EQ(embed["after"], "embed");
  EXPECT_EQ(embed["final_rank"], 3);
  const double sum = std::exp(1) + std::exp(2) + std::exp(3) + 1 + std::exp(-1);
  EXPECT_NEAR(embed["final_probability"].get<double>(), std::exp(1) / sum, 1e-7);
  EXPECT_NEAR(embed["final_logprob"].get<double>(), 1 - std::log(sum), 1e-6);
  EXPECT_EQ(embed["top"][0]["id"], 2);
  EXPECT_EQ(embed["top"][0]["text"], "\ufffd\ufffd");
  EXPECT_EQ(embed["top"][0]["bytes"], (json{0xe2, 0x82}));
  EXPECT_NEAR(embed["top"][0]["probability"].get<double>(), std::exp(3) / sum, 1e-7);
  EXPECT_EQ(embed["top"][1]["id"], 1);
  ASSERT_EQ(embed["top"].size(), 2u);
  EXPECT_EQ(found[0]["layers"][1]["after"], "h.0");
  EXPECT_EQ(found[0]["layers"][2]["final_rank"], 1);
  EXPECT_EQ(found[0]["layers"][2]["top"][0]["logprob"], found[0]["layers"][2]["final_logprob"]);
  // Of three equal logits the token with the lowest id comes first.
  EXPECT_EQ(found[1]["final"]["id"], 1);
  EXPECT_EQ(found[1]["layers"][0]["final_rank"], 2);
}

TEST_F(Lens, TakesPromptsInSeveralStepsAndSequencesInAnyOrder) {
  auto sink = lens({{"format", "jsonl"}, {"top", "1"}});
  for (uint64_t sequence : {0, 1}) sink->start(sequence, "p", std::vector<int32_t>{1, 1, 1});
  step(*sink, {{1, 0, 1}, {0, 0, 1}, {1, 1, 1}}, std::vector<float>(9), {1, 0, 0, 0, 2, 0, 0, 0, 3});
  step(*sink, {{0, 1, 1}}, {0, 0, 0}, {0, 0, 4});
  sink->finish(1, "", "length");
  step(*sink, {{0, 0, 1}, {0, 2, 0}}, std::vector<float>(6), {9, 0, 0, 5, 0, 0});
  sink->finish(0, "", "length");
  sink->end("{}");
  const std::vector<json> found = lines();
  ASSERT_EQ(found.size(), 5u);
  const int expected[5][3] = {{0, 0, 1}, {0, 1, 2}, {0, 2, 0}, {1, 0, 0}, {1, 1, 2}};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(found[i]["sequence"], expected[i][0]);
    EXPECT_EQ(found[i]["position"], expected[i][1]);
    EXPECT_EQ(found[i]["final"]["id"], expected[i][2]) << "a position that is read again stays as it was read first";
  }
}

TEST_F(Lens, ReadsManyRowsInPartsAndOnlyTheWantedOnes) {
  std::vector<TensorRow> owners;
  std::vector<float> late;
  for (int32_t i = 0; i < 300; ++i) {
    owners.push_back({0, i, 1});
    late.insert(late.end(), {i % 3 == 0 ? 1.f : 0.f, i % 3 == 1 ? 1.f : 0.f, i % 3 == 2 ? 1.f : 0.f});
  }
  for (const auto& [positions, expected] : std::map<std::string, std::vector<int>>{
           {"3,290-291", {3, 290, 291}}, {"last", {299}}, {"299-400", {299}}, {"300", {}}}) {
    auto sink = lens({{"format", "jsonl"}, {"positions", positions}});
    sink->start(0, "p", std::vector<int32_t>(250, 1));
    end_.most_rows = 0;
    step(*sink, owners, std::vector<float>(900), late);
    EXPECT_LE(end_.most_rows, 51) << "no more than what may be the last position";
    sink->finish(0, "", "length");
    sink->end("{}");
    const std::vector<json> found = lines();
    ASSERT_EQ(found.size(), expected.size()) << positions;
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i]["position"], expected[i]);
      EXPECT_EQ(found[i]["final"]["id"], expected[i] % 3);
    }
  }
  auto sink = lens({{"format", "jsonl"}, {"top", "1"}});
  sink->start(0, "p", std::vector<int32_t>(300, 1));
  step(*sink, owners, std::vector<float>(900), late);
  sink->finish(0, "", "length");
  sink->end("{}");
  const std::vector<json> found = lines();
  ASSERT_EQ(found.size(), 300u);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(found[i]["final"]["id"], i % 3);
  EXPECT_LT(end_.most_rows, 300) << "the logits of so many rows at once would take much memory";
}

TEST_F(Lens, IsATableWithoutControlCharacters) {
  auto sink = lens({{"width", "40"}, {"top", "3"}});
  for (uint64_t sequence : {0, 1}) sink->start(sequence, "p", std::vector<int32_t>(4, 4));
  std::vector<float> late = {9, 0, 0, 0, 9, 0, 0, 0, 9, -9, -9, -9};
  step(*sink, {{0, 0, 4}, {0, 1, 2}, {0, 2, 1}, {0, 3, 99}}, std::vector<float>(12), late);
  step(*sink, {{1, 0, 4}}, std::vector<float>(3), {NAN, 0, 0});
  for (uint64_t sequence : {0, 1}) sink->finish(sequence, "", "length");
  sink->end("{}");
  const std::string table = content_of(path("lens"));
  for (const char c : table) EXPECT_TRUE(c == '\n' || c >= ' ') << int{c};
  std::istringstream text(table);
  int longest = 0;
  for (std::string line; std::getline(text, line);)
    if (line.find(" token") == line.npos) longest = std::max(longest, static_cast<int>(line.size()));
  EXPECT_LE(longest, 40) << table;
  for (const char* part : {"sequence 0: ", "position  0", "\\x1b[31m\\n", "h.1", "\\xe2\\x82 1.00", "#99", "final",
                           "rank", "after \"#99\"; the final token is \"#3\"", "sequence 1: ", "?"})
    EXPECT_NE(table.find(part), table.npos) << part << "\n" << table;
}

TEST_F(Lens, ANanHasNoTokensAndNoProbability) {
  auto sink = lens({{"format", "jsonl"}});
  sink->start(0, "p", std::vector<int32_t>{1});
  step(*sink, {{0, 0, 1}}, {1, 0, 0}, {NAN, 0, 0}, false);
  sink->finish(0, "", "length");
  sink->end("{}");
  const json line = lines().at(0);
  EXPECT_TRUE(line["final"].is_null());
  EXPECT_EQ(line["token"], (json{{"id", 1}})) << "without a tokenizer there is no text";
  EXPECT_TRUE(line["layers"][0]["final_probability"].is_null() && line["layers"][0]["final_rank"].is_null());
  EXPECT_EQ(line["layers"][0]["top"][0]["id"], 0);
  EXPECT_EQ(line["layers"][2]["top"], json::array());
}

TEST_F(Lens, IsAPageWhoseTextsAreData) {
  auto sink = lens({{"format", "html"}});
  for (uint64_t sequence : {0, 1}) sink->start(sequence, "p", std::vector<int32_t>{1});
  for (uint64_t sequence : {0, 1}) step(*sink, {{sequence, 0, 1}}, {1, 0, 0}, {0, 2, 0});
  for (uint64_t sequence : {1, 0}) sink->finish(sequence, "", "length");
  sink->end("{}");
  const std::string page = content_of(path("lens"));
  EXPECT_TRUE(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
  for (const char* mark : {"@DATA@", "@STYLE@", "@SCRIPT@", "<b>", "http://", "https://", "src="})
    EXPECT_EQ(page.find(mark), page.npos) << mark;
  EXPECT_NE(page.find("default-src 'none'"), page.npos) << "the browser is told to ask no one";
  const std::string open = "<script type=\"application/json\" class=\"data\">";
  size_t at = 0;
  for (int sequence : {0, 1}) {
    at = page.find(open, at);
    ASSERT_NE(at, page.npos);
    at += open.size();
    const json data = json::parse(page.substr(at, page.find("</script>", at) - at));
    EXPECT_EQ(data["sequence"], sequence);
    EXPECT_EQ(data["texts"]["1"], "</script><b>");
    EXPECT_EQ(data["names"], (json{"embed", "h.0", "h.1"}));
    EXPECT_EQ(data["positions"][0]["final"], 1);
    EXPECT_EQ(data["positions"][0]["layers"][0][2][0][0], 0) << "the token that is the most likely one at first";
  }
}

TEST_F(Lens, SaysWhatItLeavesOut) {
  const auto shown = [&](const test::OptionValues& options) {
    auto sink = lens(options);
    sink->start(0, "p", std::vector<int32_t>{1, 1});
    step(*sink, {{0, 0, 1}, {0, 1, 1}}, {1, 0, 0, 1, 0, 0}, {0, 2, 0, 0, 2, 0});
    sink->finish(0, "", "length");
    sink->end("{}");
    std::string all = content_of(path("lens"));
    for (const std::string& line : test::PluginLog::instance().take()) all += line + "\n";
    return all;
  };
  EXPECT_NE(shown({{"positions", "1+0-4"}}).find("nothing was read at 2-4,"), std::string::npos);
  EXPECT_EQ(shown({{"positions", "0,1"}}).find("nothing was read"), std::string::npos);
  const std::string narrow = shown({{"top", "5"}, {"width", "40"}}), wide = shown({{"top", "5"}, {"width", "999"}});
  EXPECT_EQ(wide.find(" of the top "), std::string::npos) << wide;
  const size_t at = narrow.find("(1 of the top 5 tokens; all of them take width=");
  ASSERT_NE(at, std::string::npos) << narrow;
  const std::string width = narrow.substr(narrow.find('=', at) + 1);
  EXPECT_EQ(shown({{"top", "5"}, {"width", width.substr(0, width.find(')'))}}), wide) << "this width is enough";
}

TEST_F(Lens, SaysWhatItCannotRead) {
  EXPECT_NE(error_of([&] { lens({{"positions", "3-1"}}); }).find("positions: expected"), std::string::npos);
  for (const char* wrong : {"", "x", "1,", "-1", "1-", "all,1", "99999999999"})
    EXPECT_NE(error_of([&] { lens({{"positions", wrong}}); }), "no error") << wrong;
  auto unknown = sink("lens", {{"out", path("lens")}});
  unknown->begin("{}");
  unknown->start(0, "p", {});
  EXPECT_NE(error_of([&] { tensor(*unknown, "embed", -1, {{0, 0, 1}}, {1, 2, 3}); }).find("layers"), std::string::npos);
  unknown.reset();
  auto torn = lens();
  torn->start(0, "p", {});
  tensor(*torn, "embed", -1, {{0, 0, 1}}, {1, 2, 3});
  EXPECT_NE(error_of([&] {
              tensor(*torn, "down_add", 1, {{0, 0, 1}}, {1, 2, 3});
            }).find("found layer 1"),
            std::string::npos);
  torn.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace gpt2run
