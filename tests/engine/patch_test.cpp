// Patches on every CPU backend: what comes before a patch keeps its bits, what follows is computed from the new values,
// and neither batch nor slots nor chunks change what a text gets.
#include "gpt2run/engine/patch.hpp"

#include <cmath>

#include "engine/backends.hpp"

namespace gpt2run::test {
namespace {

// What the operations of one text wrote, by name and layer, and its logits, all as bits.
struct Seen {
  std::map<std::pair<std::string, int>, std::vector<Bits>> rows;
  std::vector<Bits> logits;
  const std::vector<Bits>& at(const char* op, int layer) const { return rows.at({op, layer}); }
};

constexpr int kSlots = 3;

class Patches : public testing::TestWithParam<EngineBackend> {
 protected:
  void SetUp() override {
    setup_.slots = kSlots;
    limits_ = limits_of(setup_);
    limits_.rows = limits_.logit_rows = 60;
    session_ = GetParam().open(engine_model(), limits_);
  }

  std::vector<BoundPatch> bind(const std::vector<Patch>& patches, std::span<const int32_t> tokens) {
    PatchBinder binder(*session_, engine_model().config(), limits_);
    std::vector<BoundPatch> bound;
    for (const Patch& patch : patches) bound.push_back(binder.bind(patch, tokens));
    return bound;
  }

  // Reads a text in one step in slot 0, with neighbours in the others that have no patches.
  Seen read(const std::vector<int32_t>& tokens, const std::vector<Patch>& patches, bool alone = true) {
    struct Watch final : Tap {
      Watch(std::span<const Patch> patches, std::span<const BoundPatch> bound)
          : patch(patches, [bound](uint64_t text) { return text == 0 ? bound : std::span<const BoundPatch>(); }) {}
      bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
        const bool changed = patch.wants(op) && patch.tensor(op, layer, host, cols, owners);
        for (int r = 0; r < rows; ++r)
          if (owners[r].sequence == 0) seen.rows[{op, layer}].push_back(bits_of(host + int64_t(r) * cols, cols));
        return changed;
      }
      PatchTap patch;
      std::vector<TensorRow> owners;
      Seen seen;
    };
    const std::vector<BoundPatch> bound = bind(patches, tokens);
    Watch watch(patches, bound);
    std::vector<Row> rows;
    for (int slot = 0; slot < (alone ? 1 : kSlots); ++slot) {
      session_->start(slot, {uint64_t(slot), 0, 0, 0, slot, 0});
      for (int32_t i = 0; i < std::ssize(tokens); ++i) {
        rows.push_back({slot, tokens[i], true});
        watch.owners.push_back({uint64_t(slot), i, tokens[i]});
      }
    }
    EXPECT_TRUE(session_->tap(&watch));
    const LogitBatch batch = session_->step(rows);
    session_->tap(nullptr);
    std::vector<float> logits(batch.rows * batch.stride);
    session_->read(batch.raw, logits.data(), logits.size() * sizeof(float));
    for (size_t r = 0; r < tokens.size(); ++r)
      watch.seen.logits.push_back(bits_of(&logits[r * batch.stride], batch.vocab));
    return std::move(watch.seen);
  }

  RigOptions setup_;
  Limits limits_{};
  std::shared_ptr<Session> session_;
};

const std::vector<int32_t> kText = some_prompt(9, 1);

TEST_P(Patches, WhatComesBeforeIsEqualAndWhatFollowsChanges) {
  const Seen before = read(kText, {});
  const Seen after = read(kText, {{.op = Op::norm_up_gelu, .layers = {{0, 0}}, .positions = {{3, 4}}}});
  for (const char* op : {"norm_qkv", "attention", "project_add"}) EXPECT_EQ(before.at(op, 0), after.at(op, 0)) << op;
  for (size_t row = 0; row < kText.size(); ++row) {
    const bool patched = row == 3 || row == 4;
    const Bits& values = after.at("norm_up_gelu", 0)[row];
    if (patched) {
      EXPECT_EQ(values, Bits(values.size(), 0));
    }
    EXPECT_EQ(before.at("norm_up_gelu", 0)[row] != values, patched) << row;
    EXPECT_EQ(before.at("down_add", 0)[row] != after.at("down_add", 0)[row], patched) << row;
    EXPECT_EQ(before.at("attention", 1)[row] != after.at("attention", 1)[row], row >= 3) << row;
    EXPECT_EQ(before.logits[row] != after.logits[row], row >= 3) << row;
  }
}

TEST_P(Patches, OwnValuesAndAScaleOfOneChangeNoBit) {
  const Seen before = read(kText, {});
  for (int op = 0; op < kPatchedOps; ++op) {
    const Seen scaled = read(kText, {{.op = static_cast<Op>(op), .source = PatchSource::scale}});
    EXPECT_EQ(before.rows, scaled.rows) << op;
    EXPECT_EQ(before.logits, scaled.logits) << op;
    const Seen own = read(kText, {{.op = static_cast<Op>(op), .source = PatchSource::from, .donor = kText}});
    EXPECT_EQ(before.rows, own.rows) << op;
    EXPECT_EQ(before.logits, own.logits) << op;
  }
}

TEST_P(Patches, TheLastResidualOfAnotherTextGivesItsLogits) {
  const std::vector<int32_t> other = some_prompt(9, 2);
  const Seen theirs = read(other, {});
  const int32_t last = engine_model().config().L - 1;
  const Patch patch{.op = Op::down_add, .layers = {{last, last}}, .source = PatchSource::from, .donor = other};
  EXPECT_EQ(read(kText, {patch}).logits, theirs.logits);
  EXPECT_NE(read(kText, {}).logits, theirs.logits);
}

TEST_P(Patches, TheFirstResidualOfAnotherTextGivesItsLogits) {
  const std::vector<int32_t> other = some_prompt(9, 2);
  EXPECT_EQ(read(kText, {{.op = Op::embed, .source = PatchSource::from, .donor = other}}).logits,
            read(other, {}).logits);
}

TEST_P(Patches, NeighboursKeepTheirBitsAndChangeNone) {
  const std::vector<Patch> noise = {
      {.op = Op::norm_qkv, .layers = {{1, 1}}, .positions = {{2, 5}}, .source = PatchSource::noise, .seed = 7}};
  const Seen alone = read(kText, noise), together = read(kText, noise, false);
  EXPECT_EQ(alone.rows, together.rows);
  EXPECT_EQ(alone.logits, together.logits);
}

TEST_P(Patches, WhatTheCheckThrowsEndsTheRecording) {
  const Patch patch{.op = Op::embed, .source = PatchSource::from, .donor = kText};
  const auto end = [] { fail("interrupted"); };
  EXPECT_THROW(PatchBinder(*session_, engine_model().config(), limits_, end).bind(patch, kText), Error);
  EXPECT_EQ(read(kText, {patch}).logits, read(kText, {}).logits) << "the session can be used again";
}

TEST_P(Patches, HeadsArePatchedAlone) {
  const Seen before = read(kText, {});
  const Patch patch{.op = Op::norm_qkv, .layers = {{0, 0}}, .positions = {{1, 1}}, .heads = {{1, 1}}};
  const Bits now = read(kText, {patch}).at("norm_qkv", 0)[1], then = before.at("norm_qkv", 0)[1];
  const int32_t C = engine_model().config().C, head = C / engine_model().config().H;
  for (int32_t i = 0; i < std::ssize(now); ++i)
    EXPECT_EQ(now[i], i % C / head == 1 ? 0u : then[i]) << "queries, keys and values: column " << i;
}

TEST_P(Patches, TheMeanIsThatOfThePrompt) {
  const Seen before = read(kText, {});
  const Seen after = read(kText, {{.op = Op::project_add, .layers = {{0, 0}}, .source = PatchSource::mean}});
  const std::vector<Bits>& rows = before.at("project_add", 0);
  for (size_t column = 0; column < rows[0].size(); ++column) {
    double mean = 0;
    for (const Bits& row : rows) mean += std::bit_cast<float>(row[column]) / static_cast<double>(rows.size());
    for (const Bits& row : after.at("project_add", 0))
      EXPECT_NEAR(std::bit_cast<float>(row[column]), mean, 0.02 * std::abs(mean) + 1e-6) << column;
  }
}

TEST_P(Patches, NoiseHasTheSizeOfTheValues) {
  const std::vector<int32_t> text = some_prompt(30, 3);
  const auto noisy = [&](uint64_t seed, float size) {
    return read(text, {{.op = Op::embed, .source = PatchSource::noise, .factor = size, .seed = seed}});
  };
  const Seen before = read(text, {}), after = noisy(5, 2);
  std::vector<double> values, noise;
  for (size_t r = 0; r < text.size(); ++r)
    for (size_t c = 0; c < before.at("embed", -1)[r].size(); ++c) {
      values.push_back(std::bit_cast<float>(before.at("embed", -1)[r][c]));
      noise.push_back(std::bit_cast<float>(after.at("embed", -1)[r][c]) - values.back());
    }
  const auto deviation = [](const std::vector<double>& of) {
    double sum = 0, squares = 0;
    for (const double x : of) sum += x, squares += x * x;
    const auto n = static_cast<double>(of.size());
    return std::sqrt(squares / n - sum / n * sum / n);
  };
  // The standard error of a standard deviation of n draws is 1 / sqrt(2 n), here 0.037; four of them.
  EXPECT_NEAR(deviation(noise) / deviation(values), 2, 2 * 4 / std::sqrt(2.0 * static_cast<double>(noise.size())));
  EXPECT_EQ(after.rows, noisy(5, 2).rows);
  EXPECT_NE(after.at("embed", -1), noisy(6, 2).at("embed", -1));
}

TEST_P(Patches, PatchesAreAppliedInOrder) {
  const Patch zero{.op = Op::attention, .layers = {{0, 0}}},
      twice{.op = Op::attention, .layers = {{0, 0}}, .source = PatchSource::scale, .factor = 2};
  const Patch own{.op = Op::attention, .layers = {{0, 0}}, .source = PatchSource::from, .donor = kText};
  EXPECT_EQ(read(kText, {zero, twice}).rows, read(kText, {zero}).rows);
  EXPECT_EQ(read(kText, {zero, own}).rows, read(kText, {}).rows);
  EXPECT_NE(read(kText, {own, zero}).rows, read(kText, {}).rows);
}

// Whatever shares the engine, in few slots and in many.
TEST_P(Patches, ARunGivesEveryRequestTheSame) {
  const std::vector<Patch> patches = {
      {.op = Op::down_add, .layers = {{0, 0}}, .positions = {{1, PatchRange::kOpen}}, .source = PatchSource::noise},
      {.op = Op::attention, .at_last = true, .source = PatchSource::scale, .factor = 0.5f}};
  const auto run = [&](int32_t slots, const std::vector<int>& which, bool patched = true) {
    RigOptions setup;
    setup.slots = slots;
    Rig rig(GetParam(), setup);
    std::vector<std::vector<BoundPatch>> bound;
    for (int i = 0; i < 4; ++i) bound.push_back(bind(patches, some_prompt(4 + 5 * i, i)));
    std::map<RequestId, uint64_t> sequences;
    PatchTap tap(patches, [&](uint64_t sequence) { return std::span<const BoundPatch>(bound[sequence]); });
    EngineTap all(rig.engine(), [&](RequestId id) { return sequences.at(id); });
    all.add(&tap);
    if (patched) {
      EXPECT_TRUE(rig.engine().tap(&all));
    }
    std::vector<RequestId> ids;
    for (const int i : which) {
      ids.push_back(rig.submit(request_for(some_prompt(4 + 5 * i, i), 6, i, kLogprob | kPrompt)));
      sequences[ids.back()] = i;
    }
    rig.run();
    std::vector<RequestLog> logs;
    for (const RequestId id : ids) logs.push_back(rig.listener.of(id));
    return logs;
  };
  const std::vector<RequestLog> together = run(3, {0, 1, 2, 3}), plain = run(3, {0, 1, 2, 3}, false);
  for (int i = 0; i < 4; ++i) {
    expect_same(run(1, {i})[0], together[i], std::to_string(i));
    EXPECT_EQ(together[i].prompt_logprobs[0], plain[i].prompt_logprobs[0]) << "before the patch";
    EXPECT_NE(together[i].prompt_logprobs, plain[i].prompt_logprobs);
    EXPECT_NE(together[i].logprobs, plain[i].logprobs);
  }
}

// The fake device has no taps.
std::vector<EngineBackend> backends_with_taps() {
  std::vector<EngineBackend> backends = cpu_engine_backends();
  std::erase_if(backends, [](const EngineBackend& one) { return one.name.find("fake_device") != std::string::npos; });
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Backends, Patches, testing::ValuesIn(backends_with_taps()),
                         [](const auto& row) { return row.param.name; });

TEST(Patch, RefusesWhatTheModelHasNot) {
  const ModelConfig model = engine_model().config();
  const auto refused = [&](const Patch& patch) { EXPECT_THROW(check_patch(patch, model), Error); };
  refused({.op = Op::attention, .layers = {{2, 2}}});
  refused({.op = Op::embed, .layers = {{0, 0}}});
  refused({.op = Op::attention, .positions = {{38, 40}}});
  refused({.op = Op::attention, .positions = {{5, 3}}});
  refused({.op = Op::attention, .heads = {{0, 2}}});
  refused({.op = Op::down_add, .heads = {{0, 0}}});
  refused({.op = Op::attention, .source = PatchSource::scale, .factor = NAN});
  refused({.op = Op::attention, .source = PatchSource::from});
  refused({.op = Op::attention, .source = PatchSource::from, .donor = {1, 23}});
  refused({.op = Op::attention, .source = PatchSource::from, .donor = std::vector<int32_t>(41)});
  EXPECT_NO_THROW(check_patch({.op = Op::attention, .positions = {{39, PatchRange::kOpen}}, .heads = {{0, 1}}}, model));
}

TEST(Patch, RefusesADonorThatIsTooShort) {
  const auto check = [](std::vector<PatchRange> positions, bool at_last) {
    check_donor(
        {.positions = std::move(positions), .at_last = at_last, .source = PatchSource::from, .donor = {1, 2, 3}}, 5);
  };
  EXPECT_NO_THROW(check({{0, 2}}, false));
  EXPECT_THROW(check({{0, 3}}, false), Error);
  EXPECT_THROW(check({{0, 0}}, true), Error) << "the last position of five";
  EXPECT_THROW(check({}, false), Error) << "all of them";
  EXPECT_THROW(check({{1, PatchRange::kOpen}}, false), Error) << "positions without end";
}

}  // namespace
}  // namespace gpt2run::test
