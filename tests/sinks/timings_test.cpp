// The timings sink: the phases of every pass, under the names that plots know.
#include <cmath>
#include <nlohmann/json.hpp>

#include "sinks/sink_fixture.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using test::content_of;
using test::error_of;

constexpr char kTimedManifest[] = R"({"plugins": [{"kind": "precision", "name": "cpu-bf16"}]})";
constexpr char kSummary[] = R"({"open_seconds": 0.25})";

class Timings : public test::SinkTest {
 protected:
  static void tell(Sink& sink, const char* summary = kSummary) {
    sink.begin(kTimedManifest);
    sink.start(0, "", {});
    sink.step({0, 9, 0, {1, 2, 3, 4, 5}});
    sink.step({1, 1, 1, {0.5f, 0.1f, 0, 1e-7f, 1e9f}});
    token(sink, 0, 0, "a");
    sink.finish(0, "", "length");
    sink.end(summary);
  }
};

TEST_F(Timings, HasAnArrayForEveryPhaseAndOneNumberForTheModel) {
  auto timings = sink("timings", {{"out", path("t.json")}});
  EXPECT_EQ(timings->wants(), uint32_t{kTimes | kAnyOrder});
  tell(*timings);
  EXPECT_EQ(json::parse(content_of(path("t.json"))), json::parse(R"({
      "model_initialization": [250], "copy_to_device": [1, 0.5], "forward_pass": [2, 0.1], "copy_to_host": [3, 0],
      "sampling": [4, 1e-7], "copy_next_token": [5, 1e9]})"));
}

TEST_F(Timings, NamesItsFileByThePrecisionsTypeOrAsAsked) {
  const auto name_for = [&](test::OptionValues options) {
    options.try_emplace("out", path("timings_{name}.json"));
    tell(*sink("timings", options));
    const std::string name = files().at(0);
    std::filesystem::remove(path(name));
    return name;
  };
  EXPECT_EQ(name_for({}), "timings_BF16.json");
  EXPECT_EQ(name_for({{"name", "mine"}}), "timings_mine.json");
  EXPECT_EQ(name_for({{"name", "mine"}, {"out", path("plain")}}), "plain");
  EXPECT_NE(error_of([&] { sink("timings", {{"name", "../x"}}); }), "no error");
  const Plugin& plugin = test::load_plugin(Kind::sink, "timings");
  EXPECT_EQ(std::string(plugin.options[0].fallback), "timings_{name}.json");
}

TEST_F(Timings, SaysNothingThatItWasNotTold) {
  tell(*sink("timings", {{"out", path("t")}}), "{}");
  EXPECT_EQ(json::parse(content_of(path("t")))["model_initialization"], json::array());
  auto empty = sink("timings", {{"out", path("t")}});
  empty->begin("");
  empty->end(kSummary);
  EXPECT_EQ(json::parse(content_of(path("t")))["sampling"], json::array());
}

TEST_F(Timings, WhatIsNoNumberIsNull) {
  auto timings = sink("timings", {{"out", path("t")}});
  timings->begin("{}");
  timings->step({0, 1, 1, {std::nanf(""), INFINITY, 0, 0, 0}});
  timings->end(kSummary);
  const json times = json::parse(content_of(path("t")));
  EXPECT_TRUE(times["copy_to_device"][0].is_null());
  EXPECT_TRUE(times["forward_pass"][0].is_null());
}

TEST_F(Timings, LeavesNothingBehindWithoutEnd) {
  auto timings = sink("timings", {{"out", path("t")}});
  timings->begin(kTimedManifest);
  timings->step({0, 1, 1, {}});
  timings.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace gpt2run
