// The tokens sink: ids that --tokens takes back.
#include "sinks/sink_fixture.hpp"

namespace gpt2run {
namespace {

using test::content_of;

class Tokens : public test::SinkTest {
 protected:
  std::string told(test::OptionValues options) const {
    options["out"] = path("ids");
    auto tokens = sink("tokens", options);
    tokens->begin("{}");
    const std::vector<int32_t> prompt = {7, 50256};
    for (const uint64_t sequence : {0, 1, 2}) {
      tokens->start(sequence, "text", prompt);
      for (int step = 0; step < static_cast<int>(sequence); ++step) token(*tokens, sequence, step, " word");
      tokens->finish(sequence, "tail", "length");
    }
    EXPECT_FALSE(std::filesystem::exists(path("ids"))) << "the file appears at the end";
    tokens->end("{}");
    return content_of(path("ids"));
  }
};

TEST_F(Tokens, IsALinePerSequence) {
  EXPECT_EQ(told({}), "\n100\n100 101\n");
  EXPECT_EQ(test::PluginLog::instance().take(), std::vector<std::string>{"1 tokens: wrote " + path("ids")});
}

TEST_F(Tokens, EchoPutsThePromptsIdsBefore) {
  EXPECT_EQ(told({{"echo", "on"}}), "7 50256\n7 50256 100\n7 50256 100 101\n");
}

TEST_F(Tokens, AsksForNothing) { EXPECT_EQ(sink("tokens", {})->wants(), 0u); }

TEST_F(Tokens, LeavesNothingBehindWithoutEnd) {
  auto tokens = sink("tokens", {{"out", path("ids")}});
  tokens->begin("{}");
  tokens->start(0, "", {});
  tokens->finish(0, "", "length");
  tokens.reset();
  EXPECT_EQ(files(), std::vector<std::string>{});
}

}  // namespace
}  // namespace gpt2run
