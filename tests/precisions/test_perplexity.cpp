// The demo model's held-back perplexity, by the protocol of its card: windows of 1024 tokens, stride 512; the first
// scores all its targets, the others those that no window has scored.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "backend.hpp"
#include "gpt2run/forced.hpp"
#include "gpt2run/tokenizer.hpp"

namespace gpt2run::test {
namespace {

constexpr int kStride = 512;
constexpr double kCardPerplexity = 36.5531, kCardTargets = 55669;

TEST(Perplexity, OfTheDemoModelIsTheCards) {
  const std::string path = SOURCE_DIR "/../shared/data/tales/heldback.txt", model = SOURCE_DIR "/models/demo";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  const auto tokens = Tokenizer::open(model)->encode(text.str());
  const auto checkpoint = make_plugin<Loader>(Kind::loader, "huggingface")->open(model.c_str());
  const int window = checkpoint->config().T, all = static_cast<int>(tokens.size());
  const auto session =
      make_plugin<Precision>(Kind::precision, "cpu-fp32")->open(*checkpoint, forced_limits(window, window));
  Forced forced(*session, window);
  double sum = 0;
  int scored = 1;  // the first token is no target
  for (int begin = 0; scored < all; begin += kStride) {
    const int end = std::min(begin + window, all);
    for (const float logprob : forced.logprobs(std::span(tokens).subspan(begin, end - begin), scored - begin))
      sum += logprob;
    scored = end;
  }
  EXPECT_EQ(scored - 1, kCardTargets);
  EXPECT_NEAR(std::exp(-sum / (scored - 1)), kCardPerplexity, 1e-3);
}

}  // namespace
}  // namespace gpt2run::test
