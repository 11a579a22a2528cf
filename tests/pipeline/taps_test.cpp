// What sinks with kTaps are shown: every row of every sequence once, with its owner, in the order of the network.
#include <gmock/gmock.h>

#include <map>

#include "gpt2run/engine/generate.hpp"
#include "pipeline.hpp"
#include "support/argmax.hpp"
#include "support/error_of.hpp"
#include "support/fake_device.hpp"
#include "support/messages.hpp"
#include "support/scripted_ops.hpp"

namespace gpt2run::test {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

// Keeps what it is shown of one operation.
struct TapSink final : Sink {
  explicit TapSink(std::string op = "embed", uint32_t wanted = kTaps | kAnyOrder) : op(std::move(op)), wanted(wanted) {}
  uint32_t wants() const override { return wanted; }
  bool taps(const char* asked) const override {
    ++asked_[asked];
    return op.empty() || op == asked;
  }
  void token(const TokenEvent&) override {}
  void tensor(const TensorEvent& event) override {
    ops.emplace_back(event.op);
    EXPECT_EQ(event.vocab, kShape.V);
    for (int r = 0; r < event.rows; ++r) {
      const TensorRow& row = event.owners[r];
      EXPECT_TRUE(op != "embed" || row.position == std::ssize(fed[row.sequence])) << row.position;
      fed[row.sequence].push_back(row.id);
      if (shows) shows(row, event.values[r * event.cols]);
      EXPECT_TRUE(op != "embed" || event.values[r * event.cols] == static_cast<float>(row.id)) << row.id;
    }
  }
  std::string op;
  uint32_t wanted;
  std::function<void(const TensorRow&, float)> shows;  // gets the first value of each row; may be empty
  std::map<uint64_t, std::vector<int32_t>> fed;        // ids by sequence
  std::vector<std::string> ops;                        // of the calls
  mutable std::map<std::string, int> asked_;
};

// Counts the rows that it sees before sinks do.
struct CountingTap final : RowTap {
  bool wants(const char* op) const override { return std::string_view(op) == "embed"; }
  bool tensor(const char*, int, float*, int, std::span<const TensorRow> owners) override {
    rows += std::ssize(owners);
    return false;
  }
  int64_t rows = 0;
};

Summary run(std::span<Sink* const> sinks, const std::vector<Prompt>& prompts, Generation generation,
            RowTap* tap = nullptr, bool has_taps = true) {
  const auto script = counting_script();
  Argmax argmax(false);
  const Chain chain{{&argmax}, Space::host, false};
  const Limits limits = plan_limits(kShape, prompts, generation, sinks, chain);
  const ShapeOnly checkpoint(kShape);
  const auto ops = std::make_shared<ScriptedOps>(script);
  std::unique_ptr<Session> session;
  if (has_taps)
    session = std::make_unique<HostSession<ScriptedOps>>(ops, checkpoint, limits, Traits{});
  else
    session = std::make_unique<FakeSession<ScriptedOps>>(ops, checkpoint, limits);
  generation.precision = "cpu-scripted";
  return generate(*session, kShape, chain, sinks, nullptr, prompts, generation, "{}", {}, tap);
}

TEST(SinkTaps, EverySequenceHasRowsOfItsOwn) {
  for (const int batch : {1, 2, 5}) {
    SCOPED_TRACE(batch);
    TapSink sink, logits("norm_logits"), plain("embed", kAnyOrder);
    Sink* sinks[] = {&sink, &plain, &logits};
    CountingTap counting_tap;
    const Generation generation{.max_new = 4, .samples = 2, .batch = batch, .chunk = 3};
    const Summary summary = run(sinks, {{"", counting(3, 8)}, {"", {20}}}, generation, &counting_tap);
    for (const uint64_t sample : {0, 1}) {
      EXPECT_THAT(sink.fed[sample], ElementsAreArray(counting(3, 11)));
      EXPECT_THAT(sink.fed[2 + sample], ElementsAreArray(counting(20, 4)));
    }
    EXPECT_EQ(counting_tap.rows, 2 * (11 + 4));
    EXPECT_EQ(summary.rows, counting_tap.rows);
    EXPECT_TRUE(plain.ops.empty() && plain.asked_.empty()) << "a sink without kTaps";
  }
}

// A prompt that is only read is read to its end.
TEST(SinkTaps, ThePromptsLastTokenIsFed) {
  TapSink sink;
  Sink* sinks[] = {&sink};
  std::vector<int32_t> longest = counting(0, 32);
  longest.insert(longest.end(), longest.begin(), longest.end());
  run(sinks, {{"", longest}, {"", {9}}, {"", {4, 30}}}, {.max_new = 0, .batch = 2, .chunk = 5});
  EXPECT_THAT(sink.fed[0], ElementsAreArray(longest));
  EXPECT_THAT(sink.fed[1], ElementsAre(9));
  EXPECT_THAT(sink.fed[2], ElementsAre(4, 30));
}

TEST(SinkTaps, OperationsAreAskedForOnceAndCalledInOrder) {
  struct AllOps final : Sink {
    uint32_t wants() const override { return kTaps | kAnyOrder; }
    bool taps(const char* op) const override { return ++asked[op] == 1; }
    void token(const TokenEvent&) override {}
    void tensor(const TensorEvent& event) override {
      if (std::string_view(event.op) == "norm_logits") {
        EXPECT_EQ(event.rows, 1) << "only the row that asks for logits";
        EXPECT_EQ(event.owners[0].id, 6);
        EXPECT_EQ(event.owners[0].position, 1);
      }
      EXPECT_EQ(event.layer, std::string_view(event.op) == "embed" || event.cols == kShape.V ? -1 : 0);
      order.emplace_back(event.op);
    }
    mutable std::map<std::string, int> asked;
    std::vector<std::string> order;
  } sink;
  Sink* sinks[] = {&sink};
  run(sinks, {{"", {5, 6}}}, {.max_new = 1});
  const std::vector<std::string> expected = {"embed",       "norm_qkv",     "attention_weights", "attention",
                                             "project_add", "norm_up_gelu", "down_add",          "norm_logits"};
  for (const std::string& op : expected) EXPECT_EQ(sink.asked[op], 1) << op;
  // The rest of a prompt and its last token are fed one after the other, because these Traits promise nothing.
  EXPECT_EQ(sink.order.size(), 2 * expected.size() - 1);
  EXPECT_THAT(std::vector(sink.order.end() - kTapOps, sink.order.end()), ElementsAreArray(expected));
}

std::string refusal(Sink& sink, bool has_taps) {
  Sink* sinks[] = {&sink};
  return error_of([&] { run(sinks, {{"", {1, 2}}}, {.max_new = 1}, nullptr, has_taps); });
}

TEST(SinkTaps, WhatCannotBeSeenIsRefused) {
  TapSink in_order("embed", kTaps), any_order;
  EXPECT_THAT(refusal(in_order, true), IsMessage("taps", "any order"));
  EXPECT_THAT(refusal(any_order, false), IsMessage("cpu-scripted", "taps"));
  EXPECT_EQ(refusal(any_order, true), "no error");
}

// Values that a tap changes are computed with, and the sinks see what it has made of them.
TEST(SinkTaps, TheTapComesBeforeTheSinks) {
  struct PlusTen final : RowTap {
    bool wants(const char* op) const override { return std::string_view(op) == "embed"; }
    bool tensor(const char*, int, float* values, int cols, std::span<const TensorRow> owners) override {
      bool changed = false;
      for (size_t r = 0; r < owners.size(); ++r)
        if (owners[r].position == 2 && owners[r].sequence == 1) values[r * cols] += 10, changed = true;
      return changed;
    }
  } plus_ten;
  TapSink sink("down_add");
  Sink* sinks[] = {&sink};
  sink.shows = [](const TensorRow& row, float value) {
    EXPECT_EQ(value, static_cast<float>(row.id + (row.position == 2 && row.sequence == 1 ? 10 : 0)));
  };
  run(sinks, {{"", {1, 2}}, {"", {3, 4}}}, {.max_new = 4, .batch = 2}, &plus_ten);
  EXPECT_THAT(sink.fed[0], ElementsAreArray(counting(1, 5)));
  EXPECT_THAT(sink.fed[1], ElementsAre(3, 4, 5, 16, 17));
}

TEST(SinkTaps, AReadoutIsTheModelsEnd) {
  struct Lens final : Sink {
    uint32_t wants() const override { return kTaps | kAnyOrder; }
    bool taps(const char* op) const override { return std::string_view(op) == "embed"; }
    void token(const TokenEvent&) override {}
    void tensor(const TensorEvent& event) override {
      std::vector<float> logits(size_t(event.rows) * event.vocab);
      event.readout->logits(event.values, event.rows, logits.data());
      for (int r = 0; r < event.rows; ++r)
        EXPECT_EQ(logits[r * event.vocab + event.owners[r].id + 1], 10) << "the script's next token";
      rows += event.rows;
    }
    int rows = 0;
  } sink;
  EXPECT_EQ(refusal(sink, true), "no error");
  EXPECT_EQ(sink.rows, 2);
}

}  // namespace
}  // namespace gpt2run::test
