// The jsonl sink: one strict JSON object per sequence, in order, with exact numbers and alternatives.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "sinks/sink_fixture.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

struct Words final : Vocabulary {
  std::string_view piece(int32_t id) const override {
    static constexpr std::string_view kPieces[] = {" a", "\"\n", "\xe2\x82", "", "\xc3\xa9"};
    return id < 5 ? kPieces[id] : std::string_view();
  }
};

class Jsonl : public test::SinkTest {
 protected:
  std::unique_ptr<Sink> jsonl(test::OptionValues options = {}) const {
    options.try_emplace("out", path("out.jsonl"));
    return sink("jsonl", options);
  }

  // An event of five logits, of which id was chosen.
  void row(Sink& sink, uint64_t sequence, int32_t step, int32_t id, const std::vector<float>& logits,
           const Vocabulary* vocabulary) const {
    sink.token({.sequence = sequence,
                .step = step,
                .position = 3,
                .id = id,
                .text = "t",
                .logprob = -0.25f,
                .logits = logits.empty() ? nullptr : logits.data(),
                .vocab = 5,
                .vocabulary = vocabulary});
  }

  std::vector<json> read() const {
    std::istringstream lines(content_of(path("out.jsonl")));
    std::vector<json> objects;
    for (std::string line; std::getline(lines, line);) objects.push_back(json::parse(line));
    return objects;
  }

  Words words_;
};

TEST_F(Jsonl, IsOneObjectPerSequence) {
  auto sink = jsonl();
  EXPECT_EQ(sink->wants(), uint32_t{kLogprob | kAnyOrder});
  sink->begin("{}");
  sink->start(0, "Once", std::vector<int32_t>{1, 2});
  token(*sink, 0, 0, " upon", -0.1f);
  token(*sink, 0, 1, "", -2.5f);
  sink->finish(0, " a", "stop");
  EXPECT_EQ(files().size(), 1u);
  EXPECT_FALSE(std::filesystem::exists(path("out.jsonl"))) << "the file appears at the end";
  sink->end("{}");
  EXPECT_EQ(content_of(path("out.jsonl")),
            "{\"sequence\": 0, \"prompt\": \"Once\", \"text\": \" upon a\", \"finish_reason\": \"stop\", "
            "\"tokens\": [100, 101], \"logprobs\": [-0.1, -2.5]}\n");
  EXPECT_EQ(test::PluginLog::instance().take(), std::vector<std::string>{"1 jsonl: wrote " + path("out.jsonl")});
}

TEST_F(Jsonl, KeepsTheOrderOfSequencesWhateverComesFirst) {
  auto sink = jsonl();
  sink->begin("{}");
  for (const uint64_t sequence : {4, 5, 6}) sink->start(sequence, "", {});
  for (const uint64_t sequence : {6, 4, 5}) token(*sink, sequence, 0, std::to_string(sequence), -1);
  sink->finish(6, "", "length");
  sink->finish(5, "", "length");
  sink->start(7, "", {});
  sink->finish(7, "", "end_of_text");
  sink->finish(4, "", "length");
  sink->end("{}");
  const std::vector<json> objects = read();
  ASSERT_EQ(objects.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(objects[i]["sequence"], 4 + i);
  EXPECT_EQ(objects[2]["text"], "6");
  EXPECT_EQ(objects[3]["tokens"], json::array());
}

TEST_F(Jsonl, KeepsTheOrderOfSequencesThatStartInAnyOrder) {
  auto sink = jsonl();
  sink->begin("{}");
  for (const uint64_t sequence : {0, 2, 1, 3}) {
    sink->start(sequence, "", {});
    sink->finish(sequence, "", "length");
  }
  sink->end("{}");
  const std::vector<json> objects = read();
  ASSERT_EQ(objects.size(), 4u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(objects[i]["sequence"], i);
}

TEST_F(Jsonl, IsStrictWhateverTheTextAndTheNumbers) {
  std::string every;
  for (int byte = 0; byte < 128; ++byte) every += static_cast<char>(byte);
  auto sink = jsonl();
  sink->begin("{}");
  sink->start(0, every + "\xc3\xa9\xf0\x9f\x98\x80", {});
  token(*sink, 0, 0, "a\xff\xc3", std::nanf(""));
  token(*sink, 0, 1, "\xed\xa0\x80", -INFINITY);
  sink->finish(0, "\xe2\x82", "length");
  sink->end("{}");
  const json object = read().at(0);
  EXPECT_EQ(object["prompt"].get<std::string>(), every + "\xc3\xa9\xf0\x9f\x98\x80");
  EXPECT_EQ(object["text"].get<std::string>(), "a\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd");
  EXPECT_EQ(object["logprobs"], json::array({nullptr, nullptr}));
}

TEST_F(Jsonl, TopShowsTheAlternatives) {
  auto sink = jsonl({{"top", "3"}});
  EXPECT_EQ(sink->wants(), uint32_t{kLogprob | kAnyOrder | kLogits});
  sink->begin("{}");
  sink->start(0, "", {});
  const std::vector<float> logits = {1, 2, 2, -1, 0.5f};
  row(*sink, 0, 0, 2, logits, &words_);
  row(*sink, 0, 1, 3, logits, nullptr);
  sink->finish(0, "", "length");
  sink->end("{}");
  const json top = read().at(0)["top"];
  ASSERT_EQ(top.size(), 2u);
  ASSERT_EQ(top[0].size(), 3u);
  EXPECT_EQ(top[0][0]["id"], 1) << "of equal ones the lowest id first";
  EXPECT_EQ(top[0][1]["id"], 2);
  EXPECT_EQ(top[0][2]["id"], 0);
  EXPECT_EQ(top[0][0]["text"], "\"\n");
  EXPECT_FALSE(top[0][0].contains("bytes"));
  EXPECT_EQ(top[0][1]["text"], "\ufffd\ufffd") << "a part of a character";
  EXPECT_EQ(top[0][1]["bytes"], json::array({0xe2, 0x82}));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(double(logit));
  // A float of one value below 4 in magnitude.
  constexpr double kRounding = 4 * 0x1p-24;
  EXPECT_NEAR(top[0][0]["logprob"].get<double>(), 2 - std::log(sum), kRounding);
  EXPECT_NEAR(top[0][0]["probability"].get<double>(), std::exp(2.0) / sum, kRounding);
  EXPECT_NEAR(top[0][2]["probability"].get<double>(), std::exp(1.0) / sum, kRounding);
  EXPECT_EQ(top[0][1]["logprob"], -0.25) << "the chosen token has one number everywhere";
  EXPECT_FALSE(top[1][0].contains("text")) << "no tokenizer";
}

TEST_F(Jsonl, TopStopsAtTheVocabularyAndTakesDroppedTokens) {
  auto sink = jsonl({{"top", "1000"}});
  sink->begin("{}");
  sink->start(0, "", {});
  row(*sink, 0, 0, 0, {-200, -INFINITY, 1e4f, 0, 0}, &words_);
  sink->finish(0, "", "length");
  sink->end("{}");
  const json top = read().at(0)["top"][0];
  ASSERT_EQ(top.size(), 5u);
  EXPECT_EQ(top[0]["probability"], 1);
  EXPECT_EQ(top[4]["id"], 1);
  EXPECT_EQ(top[4]["probability"], 0);
  EXPECT_TRUE(top[4]["logprob"].is_null());
}

TEST_F(Jsonl, EchoShowsThePromptsTokens) {
  auto sink = jsonl({{"echo", "on"}, {"top", "1"}});
  EXPECT_EQ(sink->wants(), uint32_t{kLogprob | kAnyOrder | kLogits | kPrompt});
  sink->begin("{}");
  sink->start(0, "ab", std::vector<int32_t>{3, 4});
  sink->token({0, -1, 0, 3, "a", std::nanf(""), nullptr, 5, &words_});
  row(*sink, 0, -1, 4, {0, 0, 0, 0, 9}, &words_);
  row(*sink, 0, 0, 1, {0, 9, 0, 0, 0}, &words_);
  sink->finish(0, "", "length");
  sink->end("{}");
  const json object = read().at(0);
  EXPECT_EQ(object["prompt_tokens"], json::array({3, 4}));
  EXPECT_EQ(object["prompt_logprobs"], json::array({nullptr, -0.25}));
  EXPECT_TRUE(object["prompt_top"][0].is_null());
  EXPECT_EQ(object["prompt_top"][1][0]["text"], "\u00e9");
  EXPECT_EQ(object["tokens"], json::array({1}));
  EXPECT_EQ(object["top"].size(), 1u);
  EXPECT_EQ(object["text"], "t") << "the prompt's text is not the continuation's";
}

TEST_F(Jsonl, CarriesThePromptsOwnIds) {
  const auto ids_for = [&](const char* manifest) {
    auto sink = jsonl();
    sink->begin(manifest);
    for (const uint64_t sequence : {0, 1, 2, 3, 9}) {
      sink->start(sequence, "", {});
      sink->finish(sequence, "", "length");
    }
    sink->end("{}");
    std::string ids;
    for (const json& object : read()) ids += (object.contains("id") ? object["id"].dump() : "-") + " ";
    return ids;
  };
  EXPECT_EQ(ids_for(R"({"options": {"samples": 2}, "prompts": [{"id": "q\"1"}, {"id": "q2"}]})"),
            R"("q\"1" "q\"1" "q2" "q2" - )");
  EXPECT_EQ(ids_for(R"({"prompts": [{"text": "no id"}, {"id": "b"}]})"), R"(- "b" - - - )");
  EXPECT_EQ(ids_for(R"({"prompts": [{"id": 7}, {"id": "7"}, 8], "options": 3})"), R"(7 "7" - - - )");
  for (const char* manifest : {"", "[]", "{}", R"({"prompts": 3})", R"({"prompts": [{"id": 7.5}, {"id": [7]}]})",
                               R"({"prompts": [{"id": ""}], "options": {"samples": "x"}})"})
    EXPECT_EQ(ids_for(manifest), "- - - - - ") << manifest;
}

TEST_F(Jsonl, LeavesNothingBehindWithoutEndAndNamesAFullDisk) {
  auto sink = jsonl();
  sink->begin("{}");
  sink->start(0, "", {});
  sink->finish(0, "", "length");
  sink.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
  auto full = jsonl({{"out", "/dev/full"}});
  full->begin("{}");
  full->start(0, "", {});
  full->finish(0, "", "length");
  EXPECT_EQ(error_of([&] { full->end("{}"); }), "/dev/full: cannot write: No space left on device");
}

}  // namespace
}  // namespace gpt2run
