// Compares the CUDA plugins that were built with those of the host, on a device. Every test is skipped if no device can
// run them. Environment variables:
//   GPT2RUN_GPU_MODEL  the model to use instead of a small synthetic one, such as synthetic:124M
//   GPT2RUN_GPU_SPACE  `test` uses the executor's plugins instead of the device's, to rehearse these tests
//   GPT2RUN_TEST_PLUGINS  the folder of all other plugins, where the tests have been carried to another machine
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "cuda/bodies.hpp"
#include "precisions/backend.hpp"
#include "samplers/random_rows.hpp"
#include "samplers/sampler_batch.hpp"

namespace gpt2run::test {
namespace {

std::string variable(const char* name, const char* fallback) {
  const char* value = std::getenv(name);
  return value && *value ? value : fallback;
}

bool on_executor() { return variable("GPT2RUN_GPU_SPACE", "cuda") == "test"; }

std::string file_of(Kind kind, const std::string& name) {
  const std::string folder = on_executor() ? GPT2RUN_TEST_PRECISIONS : plugin_folder();
  return folder + "/gpt2run-" + name_of(kind) + "-" + name + (on_executor() ? ".test.so" : ".cuda.so");
}

// Why the plugins cannot run here, or "" if they can.
std::string obstacle() {
  constexpr std::string_view not_built = GPT2RUN_CUDA_WHY;
  if (on_executor()) return "";
  if (!not_built.empty()) return "CUDA plugins were not built: " + std::string(not_built);
  const Probe probe = load_plugin_file(file_of(Kind::precision, "cuda-fp32")).probe();
  return probe.score > 0 ? "" : std::string("no CUDA device: ") + probe.reason;
}

std::unique_ptr<Sampler> device_sampler(const std::string& name, const OptionValues& options,
                                        const LogitBatch& layout) {
  const Plugin& plugin = load_plugin_file(file_of(Kind::sampler, name));
  std::unique_ptr<Sampler> made(static_cast<Sampler*>(plugin.create(PluginOptions(plugin, options), kTestHost)));
  made->prepare(layout);
  return made;
}

const Checkpoint& model() {
  constexpr char kSmall[] = "synthetic:L=2,C=64,H=1,F=96,V=151,T=160";
  static const auto loader = make_plugin<Loader>(Kind::loader, "synthetic");
  static const std::string text = variable("GPT2RUN_GPU_MODEL", kSmall);
  static const std::unique_ptr<Checkpoint> checkpoint = loader->open(text.c_str());
  return *checkpoint;
}

// On a device, the text is longer than two chunks of attention. Its last tokens are fed one by one, through other
// kernels.
std::vector<int32_t> text() { return some_tokens(on_executor() ? 24 : 136, model().config().V); }
size_t read_at_once() { return text().size() - (on_executor() ? 4 : 8); }

class Gpu : public testing::TestWithParam<Type> {
 protected:
  void SetUp() override {
    if (const std::string why = obstacle(); !why.empty()) GTEST_SKIP() << why;
  }

  std::unique_ptr<Session> open(const Limits& limits, const OptionValues& options = {}) const {
    const Plugin& plugin = load_plugin_file(file_of(Kind::precision, std::string("cuda-") + name_of(GetParam())));
    const std::unique_ptr<Precision> precision(
        static_cast<Precision*>(plugin.create(PluginOptions(plugin, options), kTestHost)));
    return precision->open(model(), limits);
  }

  static Limits limits(int slots, int context = 136) {
    return {slots, context, std::max(slots, context), std::max(slots, context), 0, 0, false};
  }

  // Option values for each epilogue that the type has.
  static std::vector<OptionValues> epilogues() {
    if (GetParam() == Type::f32) return {{}};
    return {{}, {{"epilogue", "fused"}}};
  }

  // Feeds text() to the empty slot 0, and returns its logits.
  static std::vector<float> logits_of(Session& session) {
    const std::vector<int32_t> tokens = text();
    const auto rest = tokens.begin() + static_cast<std::ptrdiff_t>(read_at_once());
    std::vector<float> logits = feed(session, 0, {tokens.begin(), rest});
    for (auto token = rest; token != tokens.end(); ++token) {
      const std::vector<float> row = feed(session, 0, {*token});
      logits.insert(logits.end(), row.begin(), row.end());
    }
    return logits;
  }

  static std::vector<float> on_host(Type type) {
    const auto precision = make_plugin<Precision>(Kind::precision, std::string("cpu-") + name_of(type));
    return feed(*precision->open(model(), limits(1)), 0, text());
  }
};

double greatest_difference(const std::vector<float>& values, const std::vector<float>& expected) {
  double greatest = values.size() == expected.size() ? 0 : NAN;
  for (size_t i = 0; i < values.size() && !std::isnan(greatest); ++i) {
    const double difference = std::abs(double(values[i]) - expected[i]);
    if (!(difference <= greatest)) greatest = difference;
  }
  return greatest;
}

// FP32 may differ by 1e-4, which is about a hundred times the effect of another order of sums. For 16-bit types, the
// error against FP32 is compared with the error of the host's precision of the same type: both round the same values,
// so their errors should be similar. Rows that are fed at once and rows that are fed one by one use different kernels,
// and are compared separately.
TEST_P(Gpu, LogitsAreTheHosts) {
  const std::vector<float> exact = on_host(Type::f32), own = on_host(GetParam());
  const size_t edge = read_at_once() * model().config().V, ends[] = {0, edge, exact.size()};
  for (const OptionValues& options : epilogues()) {
    const std::vector<float> found = logits_of(*open(limits(1), options));
    ASSERT_EQ(found.size(), exact.size());
    for (int part = 0; part < 2; ++part) {
      const auto of = [&](const std::vector<float>& all) {
        return std::vector<float>(all.data() + ends[part], all.data() + ends[part + 1]);
      };
      const std::string rows =
          std::string(part == 0 ? "at once" : "one by one") + (options.empty() ? "" : ", by epilogues of cuBLASLt");
      if (GetParam() == Type::f32) {
        const double most = 1e-4 * std::max(1.0, rms(of(exact))), off = greatest_difference(of(found), of(exact));
        std::printf("fp32, %s: greatest difference %.3g, at most %.3g\n", rows.c_str(), off, most);
        EXPECT_LE(off, most) << rows;
        continue;
      }
      const double host = rms_error(of(own), of(exact)), error = rms_error(of(found), of(exact));
      std::printf("%s, %s: RMS error %.3g, the host's own %.3g\n", name_of(GetParam()), rows.c_str(), error, host);
      EXPECT_GT(host, 0) << rows;
      EXPECT_LE(error, 1.5 * host) << rows;
    }
  }
}

TEST_P(Gpu, RecordedBodiesAreTheLoop) {
  const auto loop = open(limits_of_bodies()), graphs = open(limits_of_bodies());
  const auto penalty = device_sampler("repetition-penalty", {}, loop->layout());
  const auto nucleus = device_sampler("nucleus", {{"temp", "2"}, {"top_k", "0"}}, loop->layout());
  const LoopState expected = run_bodies(*loop, *penalty, *nucleus, looped());
  EXPECT_EQ(run_bodies(*graphs, *penalty, *nucleus, recorded(*graphs)), expected);
  for (int position = 2; position < 15; ++position) EXPECT_GE(expected.tokens[position], 0) << position;
}

// The slots go through cuBLASLt, and also through its own epilogues if the type has them.
TEST_P(Gpu, ManySlotsRecordedBodiesAreTheLoop) {
  for (const OptionValues& options : epilogues()) {
    const auto loop = open(limits_of_many_slots(), options), graphs = open(limits_of_many_slots(), options);
    const auto argmax = device_sampler("argmax", {}, loop->layout());
    const std::vector<int32_t> expected = run_many_slots(*loop, *argmax, 4, looped());
    EXPECT_EQ(run_many_slots(*graphs, *argmax, 4, recorded(*graphs)), expected);
    EXPECT_EQ(std::count(expected.begin(), expected.end(), kNone), 0);
  }
}

TEST_P(Gpu, EveryRunHasTheSameBits) {
  const auto session = open(limits(1)), another = open(limits(1));
  ASSERT_TRUE(session->traits().run);
  const std::vector<float> first = logits_of(*session);
  for (int again = 0; again < (on_executor() ? 1 : 3); ++again) {
    session->start(0, {0, 42, 0, 0, 0, 0});
    ASSERT_EQ(logits_of(*session), first) << "run " << again;
  }
  EXPECT_EQ(logits_of(*another), first);
}

// Feeds rows one by one with 1, 2 and 8 slots, and all at once where the precision promises the same bits for that.
TEST_P(Gpu, NeighboursChangeNoBit) {
  constexpr int kTokens = 4;
  const int32_t V = model().config().V;
  const auto own_text = [&](int slot) { return some_tokens(kTokens, V, 100 + slot); };
  const auto alone = open(limits(1));
  std::vector<std::vector<float>> expected;
  for (int slot = 0; slot < 8; ++slot) {
    alone->start(0, {0, 42, 0, 0, 0, 0});
    std::vector<float> logits;
    for (const int32_t token : own_text(slot)) {
      const std::vector<float> row = feed(*alone, 0, {token});
      logits.insert(logits.end(), row.begin(), row.end());
    }
    expected.push_back(std::move(logits));
    if (!alone->traits().prefill) continue;
    alone->start(0, {0, 42, 0, 0, 0, 0});
    EXPECT_EQ(feed(*alone, 0, own_text(slot)), expected.back()) << "prefill";
  }
  for (const int slots : {2, 8}) {
    const auto session = open(limits(slots));
    ASSERT_TRUE(session->traits().batch);
    for (int at = 0; at < kTokens; ++at) {
      std::vector<Row> rows;
      for (int slot = 0; slot < slots; ++slot) rows.push_back({slot, own_text(slot)[at], true});
      const std::vector<float> logits = copy_logits(*session, session->step(rows));
      for (int slot = 0; slot < slots; ++slot)
        ASSERT_EQ(std::memcmp(&logits[size_t(slot) * V], &expected[slot][size_t(at) * V], V * sizeof(float)), 0)
            << "slot " << slot << " of " << slots << ", token " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gpu, testing::Values(Type::f32, Type::f16, Type::bf16),
                         [](const testing::TestParamInfo<Type>& type) { return std::string(name_of(type.param)); });

std::string text_of(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  return out.str();
}

class GpuSamplers : public testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = obstacle(); !why.empty()) GTEST_SKIP() << why;
    const Plugin& plugin = load_plugin_file(file_of(Kind::precision, "cuda-fp32"));
    const std::unique_ptr<Precision> precision(
        static_cast<Precision*>(plugin.create(PluginOptions(plugin), kTestHost)));
    session = precision->open(model(), {kSlots, kContext, kSlots, kSlots, 0, 0, false});
  }

  // Copies the batch's rows, keys and tokens to the session's, in device memory.
  LogitBatch upload(const Batch& batch) {
    LogitBatch view = session->layout();
    view.rows = static_cast<int32_t>(batch.keys.size());
    for (int row = 0; row < view.rows; ++row)
      session->write(&batch.logits[size_t(row) * (batch.vocab + batch.padding)], view.logits + row * view.stride,
                     batch.vocab * sizeof(float));
    session->write(batch.keys.data(), const_cast<RowKey*>(view.keys), batch.keys.size() * sizeof(RowKey));
    session->write(batch.tokens.data(), view.tokens, batch.tokens.size() * sizeof(int32_t));
    return view;
  }

  void expect_equal(const std::string& name, const OptionValues& options, Batch batch) {
    const LogitBatch view = upload(batch);
    const auto own = device_sampler(name, options, session->layout());
    own->sample(view);
    sampler(name, options, batch)->sample(batch.view());
    std::vector<int32_t> tokens(batch.tokens.size());
    session->read(view.tokens, tokens.data(), tokens.size() * sizeof(int32_t));
    ASSERT_EQ(tokens, batch.tokens) << name;
    std::vector<float> row(batch.vocab);
    for (int r = 0; r < view.rows; ++r) {
      session->read(view.logits + r * view.stride, row.data(), row.size() * sizeof(float));
      const float* expected = &batch.logits[size_t(r) * (batch.vocab + batch.padding)];
      ASSERT_EQ(std::memcmp(row.data(), expected, row.size() * sizeof(float)), 0) << name << ", row " << r;
    }
  }

  std::unique_ptr<Session> session;
};

TEST_F(GpuSamplers, GiveTheTokensOfTheHost) {
  std::mt19937 bits(41);
  const int32_t vocab = model().config().V;
  for (int i = 0; i < (on_executor() ? 3 : 300); ++i) {
    Batch batch(vocab);
    for (int32_t& token : batch.tokens) token = static_cast<int32_t>(bits() % vocab);
    for (int row = 0; row < kSlots; ++row)
      batch.add(random_row(bits, vocab), {bits(), row, static_cast<int32_t>(bits() % (kContext + 1))});
    const SelectSpec spec = random_spec(bits, vocab);
    const std::string temp = text_of(spec.temperature), top_k = std::to_string(spec.top_k), min_p = text_of(spec.min_p);
    expect_equal("argmax", {}, batch);
    expect_equal("nucleus", {{"temp", temp}, {"top_k", top_k}, {"min_p", min_p}, {"top_p", text_of(spec.top_p)}},
                 batch);
    expect_equal("top-k", {{"top_k", top_k}}, batch);
    expect_equal("min-p", {{"min_p", min_p}, {"temp", temp}}, batch);
    expect_equal("repetition-penalty", {{"penalty", "1.7"}}, batch);
    for (const char* name : {"frequency-penalty", "presence-penalty"})
      expect_equal(name, {{"penalty", "0.3"}, {"prompt", i % 2 ? "on" : "off"}}, batch);
    expect_equal("no-repeat-ngram", {{"ngram", i % 2 ? "1" : "2"}}, batch);
    expect_equal("logit-bias", {{"bias", "0=1.7 2=-inf 1=-0.1"}}, batch);
    expect_equal("min-tokens", {{"min_tokens", "12"}, {"ends", "0 2"}}, batch);
    expect_equal("typical", {{"typical_p", text_of(spec.top_p)}, {"temp", temp}}, batch);
    expect_equal("mirostat", {{"tau", i % 2 ? "5" : "1"}, {"temp", temp}}, batch);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace gpt2run::test
