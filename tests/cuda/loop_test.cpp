// The generation loop on the executor. Recorded decode steps give the same results as single ones, samplers on the
// device give the same tokens as samplers on the host, and the host waits only once for many tokens.
#include "loop.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "cuda/bodies.hpp"
#include "executor/executor.hpp"
#include "gpt2run/evaluation/teacher_forcing.hpp"

extern "C" const gpt2run::Plugin gpt2run_plugin;  // argmax on the device

namespace gpt2run::test {
namespace {

constexpr int kSamplerKernels = 1;  // of argmax; another copy of the executor counts its launches

template <class Value>
class Loop : public testing::Test {
 protected:
  std::unique_ptr<Session> open(const Limits& limits) { return open_session<Value>(checkpoint, limits); }
  TinyCheckpoint checkpoint;
};
using Types = testing::Types<float, f16, bf16>;
TYPED_TEST_SUITE(Loop, Types);

TYPED_TEST(Loop, RecordedBodiesAreTheLoop) {
  const auto loop = this->open(limits_of_bodies()), graphs = this->open(limits_of_bodies());
  const auto penalty = make_sampler("repetition-penalty", Space::test);
  const auto nucleus = make_sampler("nucleus", Space::test, kHot);
  const LoopState expected = run_bodies(*loop, *penalty, *nucleus, looped());
  const executor::Counts before = executor::counts();
  const LoopState found = run_bodies(*graphs, *penalty, *nucleus, recorded(*graphs));
  EXPECT_EQ(found, expected);
  EXPECT_EQ(executor::counts().captures - before.captures, 2);
  EXPECT_EQ(executor::counts().replays - before.replays, 1 + 2 + 7) << "the first use of each key is not recorded";
  for (int position = 2; position < 15; ++position) {
    EXPECT_GE(found.tokens[position], 0);
    EXPECT_LT(found.logprobs[position], 0) << position;
  }
}

TYPED_TEST(Loop, RangesAreThePhases) {
  const auto session = this->open(limits_of_bodies());
  // This sampler is compiled into the test program, so that this copy of the executor sees its ranges.
  const std::unique_ptr<Sampler> argmax(
      static_cast<Sampler*>(gpt2run_plugin.create(PluginOptions(gpt2run_plugin, {}), kTestHost)));
  struct Call {
    Session& session;
    Sampler& sampler;
  } call{*session, *argmax};
  const auto body = [](void* at) {
    const Row row[] = {{0, kSampled, true}};
    auto& [session, sampler] = *static_cast<Call*>(at);
    const LogitBatch batch = session.step(row);
    sampler.sample(batch), session.score(batch);
  };
  const Row prompt[] = {{0, 3, false}, {0, 4, true}};
  argmax->prepare(session->layout()), argmax->sample(session->step(prompt));
  std::vector<std::string> found,
      pass = {"step 1", " assign_positions", " embed", " layer 0", " layer 1", " head", "sample", "score"};
  const Row sampled[] = {{0, kSampled, true}};
  executor::watch_ranges(&found);
  session->repeat(2, 0, sampled, body, &call);
  session->repeat(2, 0, sampled, body, &call);
  executor::watch_ranges(nullptr);
  std::vector<std::string> expected = pass;
  expected.insert(expected.end(), pass.begin(), pass.end());
  expected.push_back("record");
  for (const std::string& range : pass) expected.push_back(" " + range);
  expected.insert(expected.end(), {"replay", "replay"});
  EXPECT_EQ(found, expected);
}

TYPED_TEST(Loop, ABodyThatThrowsLeavesNoGraph) {
  const Limits limits = {
      .slots = 1, .context = 30, .rows = 4, .logit_rows = 1, .threads = 0, .device = 0, .keep_raw = false};
  const auto session = this->open(limits);
  const auto argmax = make_sampler("argmax", Space::test);
  const Row prompt[] = {{0, 3, true}}, given[] = {{0, 5, true}}, sampled[] = {{0, kSampled, true}};
  struct Call {
    Session& session;
    Sampler& sampler;
    std::span<const Row> rows;
  };
  const auto body = [](void* at) {
    Call& call = *static_cast<Call*>(at);
    call.sampler.sample(call.session.step(call.rows));
  };
  argmax->sample(session->step(prompt));
  Call wrong{*session, *argmax, given}, right{*session, *argmax, sampled};
  EXPECT_THROW(session->repeat(3, 5, given, body, &wrong), Error) << "a body may only take sampled tokens";
  EXPECT_THROW(session->repeat(3, 5, sampled, body, &wrong), Error) << "a body takes the rows that were given";
  session->repeat(3, 5, sampled, body, &right);
  const Row fourth[] = {{0, 1, true}};
  EXPECT_EQ(session->step(fourth).rows, 1);
  RowKey key;
  session->read(session->layout().keys, &key, sizeof key);
  EXPECT_EQ(key.position, 5);
}

// On a device, a wait would break the recording. Timing a step needs waits, so timed steps are not recorded.
TYPED_TEST(Loop, ABodyThatWaitsIsRefusedAndATimedOneIsNotRecorded) {
  const auto session = this->open(limits_of_bodies());
  const auto argmax = make_sampler("argmax", Space::test);
  struct Call {
    Session& session;
    Sampler& sampler;
    bool reads;
  } call{*session, *argmax, true};
  const auto body = [](void* at) {
    const Row row[] = {{0, kSampled, true}};
    const Call& call = *static_cast<Call*>(at);
    const LogitBatch batch = call.session.step(row);
    call.sampler.sample(batch);
    int32_t token = 0;
    if (call.reads) call.session.read(batch.tokens, &token, sizeof token);
  };
  const Row prompt[] = {{0, 3, true}};
  argmax->sample(session->step(prompt));
  const Row sampled[] = {{0, kSampled, true}};
  session->repeat(1, 0, sampled, body, &call);
  EXPECT_THROW(session->repeat(2, 0, sampled, body, &call), Error) << "while it is recorded";
  call.reads = false;
  session->repeat(2, 0, sampled, body, &call);
  const int64_t captures = executor::counts().captures;
  StepTimes times{};
  session->times(&times);
  session->repeat(3, 1, sampled, body, &call);
  EXPECT_EQ(executor::counts().captures, captures);
  session->times(nullptr);
  int32_t tokens[1 + 1 + 2 + 3];
  session->read(session->layout().tokens + 1, tokens, sizeof tokens);
  for (const int32_t token : tokens) EXPECT_GE(token, 0);
}

TYPED_TEST(Loop, AWeightBeyondTheTypeIsNamedOrClamped) {
  const Limits limits = {
      .slots = 1, .context = 8, .rows = 4, .logit_rows = 1, .threads = 0, .device = 0, .keep_raw = false};
  this->checkpoint.values(Weight::up_w, 1)[17] = -70000;
  std::string said = "no error";
  try {
    this->open(limits);
  } catch (const Error& error) {
    said = error.what();
  }
  constexpr bool holds = !std::is_same_v<TypeParam, f16>;
  EXPECT_EQ(said, holds ? "no error"
                        : "weight up_w of layer 1: expected values that fp16 holds, up to 65504, found 1 beyond, the "
                          "largest 70000; overflow=saturate clamps them, fp32 holds them");
  cuda::CudaSession<TypeParam> clamped(this->checkpoint, limits, Overflow::saturate, kInvariant, 0);
  const Row row[] = {{0, 3, true}};
  const LogitBatch batch = clamped.step(row);
  std::vector<float> logits(batch.vocab);
  clamped.read(batch.logits, logits.data(), logits.size() * sizeof(float));
  for (const float logit : logits) EXPECT_TRUE(std::isfinite(logit));
}

// Checks the table that scripts/gpu_table.py reads. For each number of sequences it has the kernels of a layer and the
// other kernels of a decode step, in a session of many slots as gpt2bench --decode opens it. A product of cuBLASLt
// counts as one kernel; its substitute on the executor launches none.
TYPED_TEST(Loop, KernelsOfAStepAreInTheTable) {
  std::ifstream table(SOURCE_DIR "/tests/cuda/kernels_per_step.tsv");
  std::string head;
  std::getline(table, head);
  int lines = 0;
  for (int sequences, of_layer, beside; table >> sequences >> of_layer >> beside; ++lines) {
    const int L = this->checkpoint.config().L, products = sequences > cuda::kDecodeRows ? 4 * L + 1 : 0;
    const Limits limits = {64, 4, 64, 64, 0, 0, false};
    const auto session = std::make_unique<cuda::CudaSession<TypeParam>>(this->checkpoint, limits, Overflow::error,
                                                                        cuda::invariant_of("auto", limits.slots), 0);
    const auto argmax = make_sampler("argmax", Space::test);
    argmax->prepare(session->layout());
    std::vector<Row> rows;
    for (int slot = 0; slot < sequences; ++slot) rows.push_back({slot, 3, true});
    const auto kernels = [&] {
      int32_t token = 0;
      argmax->sample(session->step(rows));
      session->read(session->layout().tokens, &token, sizeof token);
      return executor::counts().launches;
    };
    const int64_t before = kernels();
    EXPECT_EQ(kernels() - before + products + kSamplerKernels, of_layer * L + beside) << sequences;
  }
  EXPECT_EQ(lines, 3);
}

struct Made {
  std::vector<std::vector<int32_t>> tokens;
  Summary summary;
  int64_t waits, downloaded;
};

template <class Value>
Made generate_with(const Checkpoint& checkpoint, Space space, const Generation& generation,
                   const std::vector<Prompt>& prompts) {
  const OwnedChain owned(space, {{"repetition-penalty", {}}, {"top-k", {}}, {"nucleus", kHot}});
  const Chain& chain = owned.chain;
  CaptureSink capture(kLogprob);
  Sink* sinks[] = {&capture};
  const Limits limits = plan_limits(checkpoint.config(), prompts, generation, sinks, chain);
  cuda::CudaSession<Value> session(checkpoint, limits, Overflow::error, kInvariant, 0);
  const executor::Counts before = executor::counts();
  const Summary summary = generate(session, checkpoint.config(), chain, sinks, nullptr, prompts, generation, "");
  const executor::Counts after = executor::counts();
  return {capture.all_tokens(), summary, after.waits - before.waits, after.downloaded - before.downloaded};
}

TYPED_TEST(Loop, DeviceSamplersGiveTheTokensOfHostSamplers) {
  const std::vector<Prompt> prompts = {{"", {1, 2, 3, 4}}, {"", {9}}, {"", {4, 4, 8}}};
  const Generation generation = {.max_new = 20, .samples = 3, .batch = 4, .ignore_eos = true};
  const Made device = generate_with<TypeParam>(this->checkpoint, Space::test, generation, prompts);
  const Made host = generate_with<TypeParam>(this->checkpoint, Space::host, generation, prompts);
  EXPECT_EQ(device.tokens, host.tokens);
  EXPECT_EQ(device.tokens.size(), 9u);
  EXPECT_EQ(device.tokens[8].size(), 20u);
  EXPECT_GT(device.summary.replayed, 0);
  Generation alone = generation;
  alone.batch = 1, alone.chunk = 2;
  EXPECT_EQ(generate_with<TypeParam>(this->checkpoint, Space::test, alone, prompts).tokens, device.tokens)
      << "batch and chunks change nothing";
}

// Generates 33 tokens: the first with the prompt, then 16 and 16 with one wait each. Ids and log-probabilities are
// copied back, logits are not.
TYPED_TEST(Loop, TheHostWaitsOnceForManyTokens) {
  const Made made =
      generate_with<TypeParam>(this->checkpoint, Space::test, {.max_new = 33, .ignore_eos = true}, {{"", {1, 2, 3}}});
  EXPECT_EQ(made.tokens[0].size(), 33u);
  EXPECT_LE(made.waits, 2 + 2);
  EXPECT_EQ(made.downloaded, 33 * int64_t(sizeof(int32_t) + sizeof(float)));
}

// Scoring a text copies back only the log-probability of every target, for any chunk.
TYPED_TEST(Loop, OfAForcedTextFourBytesATargetComeBack) {
  const std::vector<int32_t> text = {1, 2, 3, 4, 9, 4, 4, 8, 2, 7, 5, 1, 6};
  constexpr int kFirst = 3;
  for (const int chunk : {1, 5, 12}) {
    const auto session = this->open(teacher_forcing_limits(static_cast<int32_t>(text.size()), chunk));
    const executor::Counts before = executor::counts();
    const std::vector<float> scores = TeacherForcing(*session, chunk).logprobs(text, kFirst);
    EXPECT_EQ(scores.size(), text.size() - kFirst);
    for (const float score : scores) EXPECT_LT(score, 0) << "chunks of " << chunk;
    EXPECT_EQ(executor::counts().downloaded - before.downloaded, 4 * std::ssize(scores)) << "chunks of " << chunk;
  }
}

// Ten slots at once go through cuBLASLt. Its own epilogues save the kernel after the product of `up`.
TEST(ManySlots, RecordedBodiesAreTheLoop) {
  constexpr int kBodies = 6;
  const TinyCheckpoint checkpoint;
  const auto argmax = make_sampler("argmax", Space::test);
  int64_t launches[2] = {};
  for (const cuda::Epilogue epilogue : {cuda::Epilogue::exact, cuda::Epilogue::fused}) {
    const auto open = [&] {
      return std::make_unique<cuda::CudaSession<f16>>(checkpoint, limits_of_many_slots(), Overflow::error,
                                                      cuda::Invariant::off, 0, epilogue);
    };
    const auto loop = open(), graphs = open();
    const executor::Counts before = executor::counts();
    const std::vector<int32_t> expected = run_many_slots(*loop, *argmax, kBodies, looped());
    const executor::Counts between = executor::counts();
    EXPECT_EQ(run_many_slots(*graphs, *argmax, kBodies, recorded(*graphs)), expected);
    EXPECT_EQ(executor::counts().replays - between.replays, kBodies - 1);
    for (int slot = 0; slot < limits_of_many_slots().slots; ++slot)
      EXPECT_GE(expected[slot * loop->layout().token_stride + kBodies + 1], 0);
    launches[static_cast<int>(epilogue)] = between.launches - before.launches;
  }
  EXPECT_EQ(launches[0] - launches[1], (kBodies + 1) * checkpoint.config().L);
}

}  // namespace
}  // namespace gpt2run::test
