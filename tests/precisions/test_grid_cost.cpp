// What the formats of the grid cost on the demo model: the error of its weights, and how far its predictions move. The
// figures to meet are those of independent simulations of the formats in double.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "backend.hpp"
#include "gpt2run/evaluation/statistics.hpp"
#include "gpt2run/sdk/log_softmax.hpp"
#include "gpt2run/sdk/quantise.hpp"
#include "gpt2run/tokenizer/tokenizer.hpp"
#include "grid.hpp"

namespace gpt2run::test {
namespace {

using grid::Format;
using grid::GridOps;
using grid::RowFormat;
using grid::Zero;

constexpr char kDemo[] = SOURCE_DIR "/models/demo";

std::unique_ptr<Checkpoint> open_demo() { return make_plugin<Loader>(Kind::loader, "huggingface")->open(kDemo); }

// The RMS error of the layers' matrices, relative to their RMS.
double weight_error(const RowFormat& format) {
  const auto checkpoint = open_demo();
  double squares = 0, errors = 0;
  const auto add = [&](const Tensor& t) {
    std::vector<float> row(static_cast<size_t>(t.cols));
    for (int64_t r = 0; r < t.rows; ++r) {
      for (int64_t c = 0; c < t.cols; ++c) row[static_cast<size_t>(c)] = at(t, r, c);
      const std::vector<float> exact = row;
      EXPECT_TRUE(grid::round_row(format, row));
      for (size_t c = 0; c < row.size(); ++c) {
        squares += double{exact[c]} * exact[c];
        errors += (double{row[c]} - exact[c]) * (double{row[c]} - exact[c]);
      }
    }
  };
  for (int layer = 0; layer < checkpoint->config().L; ++layer) {
    for (const Weight weight : {Weight::qkv_w, Weight::proj_w, Weight::up_w, Weight::down_w})
      add(checkpoint->tensor(weight, layer));
  }
  return std::sqrt(errors / squares);
}

TEST(GridCost, ErrorOfTheWeights) {
  using nlohmann::json;
  const json golden = json::parse(std::ifstream(SOURCE_DIR "/tests/golden/quantise/quantise.json")).at("errors");
  const std::pair<const char*, RowFormat> rows[] = {{"contract", grid::kInt4Contract},
                                                    {"int8", {Format::int8}},
                                                    {"int4", {Format::int4, 32}},
                                                    {"int4 on", {Format::int4, 32, Zero::on}},
                                                    {"int4 least", {Format::int4, 32, Zero::least}},
                                                    {"e4m3", {Format::e4m3}},
                                                    {"e5m2", {Format::e5m2}},
                                                    {"mxfp4", {Format::mxfp4, 32}},
                                                    {"nf4", {Format::nf4, 64}}};
  EXPECT_EQ(golden.size(), std::size(rows));
  for (const auto& [name, format] : rows) {
    // The golden errors are of scales in double; here they are rounded up, by up to 2^-15 of themselves.
    const double expected = golden.at(name);
    EXPECT_NEAR(weight_error(format), expected, 2e-4 * expected) << name;
  }
  EXPECT_NEAR(golden.at("contract").get<double>(), 0.0859, 0.00005);
  EXPECT_EQ(weight_error({Format::fp32}), 0);
}

// The logits (tokens, V) of a text.
std::vector<float> logits_of(std::shared_ptr<ReferenceOps> ops, const std::vector<int32_t>& tokens) {
  const auto checkpoint = open_demo();
  const auto size = static_cast<int32_t>(tokens.size());
  HostSession<ReferenceOps> session(std::move(ops), *checkpoint, {1, size, size, size, 1, 0, false},
                                    {true, true, true, true, 0, sizeof(float), "double"});
  return feed(session, 0, tokens);
}

std::vector<double> probabilities(const float* logits, int vocab) {
  std::vector<double> p(logits, logits + vocab);
  const double most = *std::ranges::max_element(p);
  double sum = 0;
  for (double& x : p) sum += x = std::exp(x - most);
  for (double& x : p) x /= sum;
  return p;
}

// KL(exact || test) at each position.
std::vector<double> divergences(const std::vector<float>& exact, const std::vector<float>& test, int vocab) {
  std::vector<double> all;
  for (size_t at = 0; at < exact.size(); at += static_cast<size_t>(vocab)) {
    const std::vector<double> p = probabilities(&exact[at], vocab), q = probabilities(&test[at], vocab);
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) sum += p[i] > 0 ? p[i] * std::log(p[i] / q[i]) : 0;
    all.push_back(sum);
  }
  return all;
}

class Divergence : public testing::Test {
 protected:
  static constexpr size_t kTokens = 1000;
  static void SetUpTestSuite() {
    std::stringstream text;
    text << std::ifstream(std::string(kDemo) + "/study.txt").rdbuf();
    tokens_ = Tokenizer::open(kDemo)->encode(text.str());
    ASSERT_GE(tokens_.size(), kTokens);
    tokens_.resize(kTokens);
    exact_ = logits_of(ops_with({}), tokens_);
  }

  static std::shared_ptr<GridOps> ops_with(const OptionValues& values) {
    return std::make_shared<GridOps>(PluginOptions(load_plugin(Kind::precision, "reference"), values), kTestHost);
  }

  static std::vector<double> of(std::shared_ptr<ReferenceOps> ops) {
    return divergences(exact_, logits_of(std::move(ops), tokens_), static_cast<int>(exact_.size() / kTokens));
  }

  // Whether the mean is the published one, which was the mean over 1000 positions of the same text, given with two
  // digits. Values that fall to another side of a rounding move it, as an effect of chance.
  static bool meets(const std::vector<double>& values, double published) {
    const double allowed = 3 * batch_standard_error_of(values) + 0.05 * published;
    return std::abs(mean_of(values) - published) <= allowed;
  }

  inline static std::vector<int32_t> tokens_;
  inline static std::vector<float> exact_;  // logits (tokens, V) in FP32
};

// Inputs of products with scales that are twice as large as they must be.
struct Wasteful : GridOps {
  using GridOps::GridOps;
  void round_row(const Site& site, std::span<float> row) const override {
    if (site.point == Point::weight || site.point == Point::qkv) return GridOps::round_row(site, row);
    std::vector<float> longer(row.begin(), row.end());
    longer.push_back(2 * std::bit_cast<float>(largest_magnitude(row)));
    GridOps::round_row(site, longer);
    std::copy_n(longer.begin(), row.size(), row.begin());
  }
};

TEST_F(Divergence, IsThePublishedOne) {
  struct Row {
    OptionValues options;
    double published;
  };
  const Row rows[] = {{{{"w", "int8"}, {"a", "int8"}, {"head", "int8"}}, 2.3e-3},
                      {{{"kv", "int8"}}, 8.8e-5},
                      {{{"w", "int4"}, {"group", "32"}, {"head", "int8"}, {"head_input", "fp32"}}, 2.7e-2}};
  for (const Row& one : rows) {
    const std::vector<double> values = of(ops_with(one.options));
    EXPECT_TRUE(meets(values, one.published)) << ops_with(one.options)->contract() << ": " << mean_of(values) << " +- "
                                              << batch_standard_error_of(values) << " in place of " << one.published;
  }
}

TEST_F(Divergence, ScalesTwiceAsLargeAreSeen) {
  const PluginOptions options(load_plugin(Kind::precision, "reference"),
                              {{"w", "int8"}, {"a", "int8"}, {"head", "int8"}});
  const std::vector<double> wrong = of(std::make_shared<Wasteful>(options, kTestHost));
  EXPECT_FALSE(meets(wrong, 2.3e-3)) << mean_of(wrong) << " +- " << batch_standard_error_of(wrong);
}

}  // namespace
}  // namespace gpt2run::test
