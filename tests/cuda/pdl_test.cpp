// The option `pdl`: with it every kernel of a session may start before the one in front has ended, without it none, and
// the results are the same bits.
#include <gtest/gtest.h>

#include "../../precisions/cuda/precision.hpp"
#include "cuda/bodies.hpp"
#include "executor/executor.hpp"
#include "loop.hpp"

namespace gpt2run::test {
namespace {

template <class Value>
class Pdl : public testing::Test {
 protected:
  std::unique_ptr<Session> open(const char* pdl, const Limits& limits) {
    static constexpr Plugin plugin = cuda::cuda_plugin<Value>("cuda-test", "the plugin of a type");
    return cuda::CudaPrecision<Value>(PluginOptions(plugin, {{"pdl", pdl}}), kTestHost).open(checkpoint, limits);
  }

  // Runs the decode loops of bodies.hpp, and counts the session's launches into `of`.
  LoopState run(const char* pdl, executor::Counts& of) {
    const auto session = open(pdl, limits_of_bodies()), many = open(pdl, limits_of_many_slots());
    const auto penalty = make_sampler("repetition-penalty", Space::test), argmax = make_sampler("argmax", Space::test);
    const auto nucleus = make_sampler("nucleus", Space::test, kHot);
    const executor::Counts before = executor::counts();
    LoopState state = run_bodies(*session, *penalty, *nucleus, recorded(*session));
    const std::vector<int32_t> tokens = run_many_slots(*many, *argmax, 5, recorded(*many));
    state.tokens.insert(state.tokens.end(), tokens.begin(), tokens.end());
    of.launches = executor::counts().launches - before.launches;
    of.dependent = executor::counts().dependent - before.dependent;
    return state;
  }

  TinyCheckpoint checkpoint;
};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(Pdl, Types);

TYPED_TEST(Pdl, ChangesNoBit) {
  executor::Counts off = {}, on = {}, by_itself = {};
  const LoopState expected = this->run("off", off);
  EXPECT_EQ(this->run("on", on), expected);
  EXPECT_EQ(this->run("auto", by_itself), expected);
  EXPECT_EQ(off.dependent, 0);
  EXPECT_GT(on.launches, 0);
  EXPECT_EQ(on.dependent, on.launches) << "samplers have another copy of the executor, which counts theirs";
  EXPECT_EQ(by_itself.dependent, on.launches);
  EXPECT_EQ(on.launches, off.launches);
}

}  // namespace
}  // namespace gpt2run::test
