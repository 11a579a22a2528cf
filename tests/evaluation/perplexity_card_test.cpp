// The demo model's held-back perplexity, by the protocol of its card: windows of 1024 tokens, stride 512.
#include <nlohmann/json.hpp>

#include "apps/shell.hpp"

namespace gpt2run {
namespace {

class PerplexityCard : public Shell {};

TEST_F(PerplexityCard, OfTheDemoModelIsWhatTheProgramFinds) {
  const std::string path = SOURCE_DIR "/../shared/data/tales/heldback.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const Outcome done = run("gpt2perplexity -q --model " SOURCE_DIR "/models/demo --precision cpu-fp32 --text " + path +
                           " --protocol hf-stride --max_length 1024 --stride 512 --json -");
  ASSERT_EQ(done.code, 0) << done.err;
  const auto found = nlohmann::json::parse(done.out).at("results").at(0);
  EXPECT_EQ(found.at("tokens"), 55669);
  // As many decimals as the card has.
  EXPECT_NEAR(found.at("perplexity").get<double>(), 36.5531, 1e-3);
  EXPECT_NEAR(found.at("nll").get<double>(), 3.598765, 3e-5);
  EXPECT_NEAR(found.at("bits_per_byte").get<double>(), 1.3837, 1e-4);
}

}  // namespace
}  // namespace gpt2run
