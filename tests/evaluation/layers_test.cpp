// Errors by operation and layer: exact numbers on outputs that are written down, and a changed weight found where it
// is.
#include "common/evaluation/layers.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "apps/shell.hpp"
#include "gpt2compare/report.hpp"
#include "loaders/model_folder.hpp"

namespace gpt2run {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Writes what it is told in one operation; its logits are zeros.
class Scripted final : public Session {
 public:
  explicit Scripted(std::vector<float> values, bool tapped = true) : values_(std::move(values)), tapped_(tapped) {}

  const Traits& traits() const override { return traits_; }
  LogitBatch layout() const override {
    auto* self = const_cast<Scripted*>(this);
    return {self->logits_, logits_, 2, 1, 2, 1, keys_, self->tokens_, self->logprobs_, 8, Space::host, 0, nullptr};
  }
  void start(int, const Start&) override {}
  LogitBatch step(std::span<const Row> rows) override {
    if (tap_) tap_->tensor("embed", -1, values_.data(), 1, static_cast<int>(values_.size()));
    LogitBatch batch = layout();
    batch.rows = static_cast<int32_t>(rows.size());
    return batch;
  }
  void score(const LogitBatch&) override {}
  using Session::read;
  using Session::write;
  void read(const void* from, void* host, size_t bytes) override { std::memcpy(host, from, bytes); }
  void write(const void* host, void* to, size_t bytes) override { std::memcpy(to, host, bytes); }
  bool tap(Tap* tap) override {
    if (tapped_) tap_ = tap;
    return tapped_;
  }
  bool is_tapped() const { return tap_ != nullptr; }

 private:
  std::vector<float> values_;
  bool tapped_;
  Traits traits_{};
  float logits_[64] = {}, logprobs_[8] = {};
  int32_t tokens_[8] = {};
  RowKey keys_[8] = {};
  Tap* tap_ = nullptr;
};

Instance instance(const std::string& name, std::vector<float> values, bool tapped = true) {
  return {name, nullptr, nullptr, nullptr, std::make_unique<Scripted>(std::move(values), tapped)};
}

const auto kGoOn = [] {};

Layers layers_of(std::vector<float> reference, std::vector<float> test) {
  std::vector<Instance> all;
  all.push_back(instance("ref", std::move(reference)));
  all.push_back(instance("test", std::move(test)));
  const std::vector<Window> windows = {{0, 0, {0, 1}}};
  Layers layers = compare_layers(all, windows, 64, 0.25, kGoOn);
  for (const Instance& one : all) EXPECT_FALSE(dynamic_cast<const Scripted&>(*one.session).is_tapped());
  return layers;
}

TEST(Layers, ErrorsAreSharesOfTheReferencesRms) {
  const Layers layers = layers_of({3, -4, 0, 5}, {3, -3, 2, 5});
  ASSERT_EQ(layers.tests[0].errors.size(), 1u);
  const OpError& error = layers.tests[0].errors[0];
  EXPECT_EQ(error.op, "embed");
  EXPECT_EQ(error.layer, -1);
  EXPECT_DOUBLE_EQ(error.rms_error, std::sqrt(5.0 / 50));
  EXPECT_DOUBLE_EQ(error.max_error, 2 / std::sqrt(50.0 / 4));
  EXPECT_EQ(layers.rows, 1);
  EXPECT_EQ(layers.tests[0].first_above, 0u);
  EXPECT_THAT(to_lines(layers), HasSubstr("test: the first operation with a relative RMS error above 2.50e-01"));
}

TEST(Layers, EqualOutputsHaveNone) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Layers layers = layers_of({0, -infinity, 1}, {0, -infinity, 1});
  EXPECT_EQ(layers.tests[0].errors[0].rms_error, 0);
  EXPECT_EQ(layers.tests[0].errors[0].max_error, 0);
  EXPECT_FALSE(layers.tests[0].first_above);
  EXPECT_EQ(to_lines(layers), "");
}

TEST(Layers, WhatIsNotFiniteOnOneSideIsInfinitelyFar) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float broken : {infinity, -infinity}) {
    EXPECT_TRUE(std::isinf(layers_of({1, 2}, {1, broken}).tests[0].errors[0].rms_error)) << broken;
    EXPECT_TRUE(std::isinf(layers_of({1, broken}, {1, 2}).tests[0].errors[0].max_error)) << broken;
    EXPECT_TRUE(layers_of({1, 2}, {1, broken}).tests[0].first_above) << broken;
    EXPECT_TRUE(std::isinf(layers_of({1, 2}, {1, broken}).tests[0].ranges[0].max)) << broken;
    EXPECT_EQ(layers_of({1, 2}, {1, broken}).tests[0].ranges[0].headroom, 0) << broken;
  }
  EXPECT_TRUE(std::isinf(layers_of({0, 0}, {0, 1}).tests[0].errors[0].rms_error));
}

// Two sides that are lost alike are no sign of health.
TEST(Layers, NanIsToldOnWhicheverSideItIs) {
  for (const auto& [ref, test] : {std::pair(NAN, 2.f), std::pair(2.f, NAN), std::pair(NAN, NAN)}) {
    const Layers layers = layers_of({1, ref}, {1, test});
    EXPECT_TRUE(std::isnan(layers.tests[0].errors[0].rms_error));
    EXPECT_TRUE(std::isnan(layers.tests[0].errors[0].max_error));
    EXPECT_EQ(layers.tests[0].first_above, 0u);
    EXPECT_EQ(layers.ranges[0].nans, std::isnan(ref));
    EXPECT_EQ(layers.tests[0].ranges[0].nans, std::isnan(test));
    const auto told = [&](const std::string& name) {
      return to_lines(layers).find("the first operation of " + name + " that writes NaN is embed\n") !=
             std::string::npos;
    };
    EXPECT_EQ(told("ref"), std::isnan(ref));
    EXPECT_EQ(told("test"), std::isnan(test));
    EXPECT_THAT(to_table(layers), HasSubstr("nan first above"));
  }
  EXPECT_THAT(to_table(layers_of({1, NAN}, {1, 2})), testing::ContainsRegex("embed +- +nan "));
}

TEST(Layers, TheWalkCanBeEndedAtEveryStep) {
  std::vector<Instance> all;
  for (const char* name : {"ref", "test"}) all.push_back(instance(name, {1}));
  const std::vector<Window> windows = {{0, 0, {0, 1}}};
  const auto stop = [] { fail("stopped"); };
  EXPECT_THROW(compare_layers(all, windows, 64, 0.25, stop), Error);
  EXPECT_THROW(first_nan(all, windows, stop), Error);
  for (const Instance& one : all) EXPECT_FALSE(dynamic_cast<const Scripted&>(*one.session).is_tapped());
}

TEST(Layers, AnUnknownTypeHasNoRoundoff) {
  const auto roundoff = [](const char* name) {
    Plugin plugin{};
    plugin.name = name;
    return roundoff_of(BoundPlugin(plugin, {name, {}}, Layer::fallback));
  };
  EXPECT_EQ(roundoff("cpu-fp32"), 0x1p-24);
  EXPECT_EQ(roundoff("cpu-fp16"), 0x1p-11);
  EXPECT_EQ(roundoff("cuda-bf16"), 0x1p-8);
  EXPECT_FALSE(roundoff("my-e4m3"));
  EXPECT_FALSE(roundoff("coarse"));
}

TEST(Layers, RangesAreThoseOfFp16) {
  const OpRange range = layers_of({-32752, 0, 0x1p-14f, 0x1.ffcp-15f, 0x1p-30f}, {0, 0, 0, 0, 0}).ranges[0];
  EXPECT_EQ(range.max, 32752);
  EXPECT_EQ(range.headroom, 2);
  EXPECT_EQ(range.subnormal_share, 0.5);
  const OpRange none = layers_of({0, 0}, {0, 0}).ranges[0];
  EXPECT_TRUE(std::isinf(none.headroom));
  EXPECT_EQ(none.subnormal_share, 0);
}

TEST(Layers, WhatCannotBeTappedSaysSo) {
  for (const bool reference : {true, false}) {
    std::vector<Instance> all;
    all.push_back(instance("ref", {1}, reference));
    all.push_back(instance("test", {1}, !reference));
    all.push_back(instance("other", {1}));
    const Layers layers = compare_layers(all, std::vector<Window>{{0, 0, {0, 1}}}, 64, 0.25, kGoOn);
    EXPECT_THAT(to_lines(layers), HasSubstr(std::string(reference ? "test" : "ref") + " has no taps"));
    EXPECT_EQ(layers.tests[1].errors.size(), reference ? 1u : 0u);
    EXPECT_EQ(layers.tests[0].errors.size(), 0u);
  }
}

TEST(Layers, OtherShapesAreRefused) { EXPECT_THROW(layers_of({1, 2}, {1, 2, 3}), Error); }

class LayersOfModels : public Shell {
 protected:
  json compared(const std::string& options) const {
    const Outcome done = run("gpt2compare -q --floor off --json - " + options);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? json::parse(done.out) : json();
  }
};

constexpr char kTokens[] = " --tokens '0 1 0 2 1 1 0 2' -n 0 ";

TEST_F(LayersOfModels, AChangedWeightIsFoundAtItsLayer) {
  const std::pair<const char*, const char*> cases[] = {{"h.1.mlp.c_proj.weight", "down_add"},
                                                       {"h.1.attn.c_attn.bias", "norm_qkv"},
                                                       {"h.1.attn.c_proj.weight", "project_add"},
                                                       {"h.1.ln_2.weight", "norm_up_gelu"}};
  for (const auto& [weight, op] : cases) {
    const test::ModelFolder plain, changed;
    const std::string tensor = std::string("transformer.") + weight;
    std::string bytes = changed.read("model.safetensors");
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    const size_t at = sizeof header + header + changed.header().at(tensor).at("data_offsets")[0].get<size_t>();
    const float other = 7;
    std::memcpy(&bytes[at + 5 * sizeof other], &other, sizeof other);
    changed.write("model.safetensors", bytes);
    const std::string options =
        "--model " + plain.path().string() + " --test_model " + changed.path().string() + kTokens;
    const json found = compared(options + "--ref cpu-fp32").at("tests")[0];
    EXPECT_EQ(found.at("first_above").at("op"), op) << weight;
    EXPECT_EQ(found.at("first_above").at("layer"), 1) << weight;
    for (const json& error : found.at("layers")) {
      if (error == found.at("first_above")) break;
      EXPECT_EQ(error.at("rms_error"), 0) << error;
    }
    const Outcome shown = run("gpt2compare -q --floor off --ref cpu-fp32 " + options);
    EXPECT_THAT(shown.out, HasSubstr(std::string(op) + " of layer 1, with ")) << weight;
  }
}

TEST_F(LayersOfModels, TypesStayBelowTheThresholdAndBf16IsCoarser) {
  const json all = compared("--model " SOURCE_DIR
                            "/models/demo -p 'Once upon a time there was' --ref cpu-fp32 "
                            "--test cpu-bf16,cpu-fp16,reference:type=fp32");
  ASSERT_EQ(all.at("tests").size(), 3u);
  const json &bf16 = all.at("tests")[0].at("layers"), &fp16 = all.at("tests")[1].at("layers");
  ASSERT_EQ(bf16.size(), 2u + 6 * 5);
  ASSERT_EQ(all.at("reference_ranges").size(), bf16.size());
  for (const json& test : all.at("tests")) {
    EXPECT_TRUE(test.at("first_above").is_null()) << test.at("name") << test.at("first_above");
    ASSERT_EQ(test.at("ranges").size(), bf16.size());
    for (const json& range : test.at("ranges")) EXPECT_GT(range.at("headroom").get<double>(), 1) << range;
  }
  for (size_t i = 0; i < bf16.size(); ++i) {
    EXPECT_GT(bf16[i].at("rms_error").get<double>(), 2 * fp16[i].at("rms_error").get<double>()) << bf16[i];
    EXPECT_GT(fp16[i].at("rms_error").get<double>(), 0) << fp16[i];
  }
}

TEST_F(LayersOfModels, OneRunTwiceIsEqualInEveryOperation) {
  const json all = compared("--model " SOURCE_DIR "/models/demo -p 'Once upon a time' --ref cpu-fp32 --test cpu-fp32");
  for (const json& error : all.at("tests")[0].at("layers")) {
    EXPECT_EQ(error.at("rms_error"), 0) << error;
    EXPECT_EQ(error.at("max_error"), 0) << error;
  }
}

}  // namespace
}  // namespace gpt2run
