// The hook round_row() of ReferenceOps: which rows it is asked about, that nothing else is rounded, and that a
// precision without it is as it was.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <tuple>
#include <vector>

#include "gpt2run/sdk/reference.hpp"
#include "support/exact_ops.hpp"
#include "support/tiny_checkpoint.hpp"

namespace gpt2run::test {
namespace {

constexpr int kRows = 5, kLogitRows = 2;

struct Forward {
  Forward(const ReferenceOps& ops, const Checkpoint& checkpoint)
      : state(checkpoint.config(), {1, kRows, kRows, kLogitRows, 1, 0, false}) {
    const ReferenceWeights weights = ops.load(checkpoint);
    std::vector<HostRow> rows;
    for (int i = 0; i < kRows; ++i) rows.push_back({0, i, (3 * i + 1) % checkpoint.config().V});
    const std::vector<int32_t> logit_rows = {1, kRows - 1};
    gpt2_forward(ops, weights, state, {rows, logit_rows});
  }
  HostState<float> state;
};

// Counts the rows by site, with their sizes, and changes nothing.
struct Recording : ReferenceOps {
  using Key = std::tuple<Point, Op, int, Weight, Projection, int64_t>;
  struct Seen {
    int count = 0;
    size_t size = 0;
  };
  float round(Point, float x) const override { return x; }
  void round_row(const Site& site, std::span<float> row) const override {
    Seen& here = seen[{site.point, site.op, site.layer, site.weight, site.projection, site.row}];
    EXPECT_TRUE(here.count == 0 || here.size == row.size());
    ++here.count, here.size = row.size();
  }
  mutable std::map<Key, Seen> seen;
};

// Checks that a site was seen `count` times with rows of this size, and forgets it.
void take(Recording& ops, const Site& site, int count, size_t size) {
  const Recording::Key key{site.point, site.op, site.layer, site.weight, site.projection, site.row};
  SCOPED_TRACE(std::string(name_of(site.op)) + " layer " + std::to_string(site.layer) + " " + name_of(site.weight) +
               " row " + std::to_string(site.row) + " point " + std::to_string(static_cast<int>(site.point)));
  EXPECT_EQ(ops.seen[key].count, count);
  EXPECT_EQ(ops.seen[key].size, size);
  ops.seen.erase(key);
}

void take_weight(Recording& ops, const ModelConfig& m, Weight weight, Op op, int layer) {
  const Shape shape = shape_of(weight, m);
  if (shape.cols == 1) return take(ops, {Point::weight, op, layer, weight}, 1, static_cast<size_t>(shape.rows));
  for (int64_t row = 0; row < shape.rows; ++row)
    take(ops, {Point::weight, op, layer, weight, Projection::none, row}, 1, static_cast<size_t>(shape.cols));
}

void take_activations(Recording& ops, const ModelConfig& m, int layer) {
  const auto C = static_cast<size_t>(m.C), F = static_cast<size_t>(m.F), D = static_cast<size_t>(m.C / m.H);
  for (int64_t r = 0; r < kRows; ++r) {
    const Projection none = Projection::none;
    take(ops, {Point::norm, Op::norm_qkv, layer, Weight::qkv_w, none, r}, 1, C);
    for (const Projection each : {Projection::q, Projection::k, Projection::v})
      take(ops, {Point::qkv, Op::norm_qkv, layer, Weight::qkv_w, each, r}, m.H, D);
    take(ops, {Point::attention, Op::attention, layer, Weight::proj_w, none, r}, 1, C);
    take(ops, {Point::norm, Op::norm_up_gelu, layer, Weight::up_w, none, r}, 1, C);
    take(ops, {Point::gelu, Op::norm_up_gelu, layer, Weight::down_w, none, r}, 1, F);
  }
}

TEST(RoundRow, IsAskedOnceAboutEveryRow) {
  const TinyCheckpoint checkpoint;
  const ModelConfig& m = checkpoint.config();
  Recording ops;
  const Forward forward(ops, checkpoint);

  take_weight(ops, m, Weight::wte, Op::norm_logits, -1);  // the head is tied
  take_weight(ops, m, Weight::wpe, Op::embed, -1);
  for (int layer = 0; layer < m.L; ++layer) {
    for (const Weight weight : {Weight::ln1_w, Weight::ln1_b, Weight::qkv_w, Weight::qkv_b})
      take_weight(ops, m, weight, Op::norm_qkv, layer);
    for (const Weight weight : {Weight::proj_w, Weight::proj_b}) take_weight(ops, m, weight, Op::project_add, layer);
    for (const Weight weight : {Weight::ln2_w, Weight::ln2_b, Weight::up_w, Weight::up_b})
      take_weight(ops, m, weight, Op::norm_up_gelu, layer);
    for (const Weight weight : {Weight::down_w, Weight::down_b}) take_weight(ops, m, weight, Op::down_add, layer);
    take_activations(ops, m, layer);
  }
  for (const Weight weight : {Weight::lnf_w, Weight::lnf_b}) take_weight(ops, m, weight, Op::norm_logits, -1);
  for (const int64_t row : {int64_t{1}, int64_t{kRows - 1}})
    take(ops, {Point::norm, Op::norm_logits, -1, Weight::head_w, Projection::none, row}, 1, size_t(m.C));
  EXPECT_TRUE(ops.seen.empty()) << ops.seen.size() << " other sites";
}

// A contract by values alone, which differs from point to point.
float coarse(Point point, float x) {
  const float steps = 64 << static_cast<int>(point);
  return std::round(x * steps) / steps;
}
struct ByValue : ReferenceOps {
  float round(Point point, float x) const override { return coarse(point, x); }
};
struct ByRow : ReferenceOps {
  float round(Point, float) const override { return NAN; }
  void round_row(const Site& site, std::span<float> row) const override {
    for (float& x : row) x = coarse(site.point, x);
  }
};

TEST(RoundRow, RoundsEveryValueOfAPrecisionWithoutIt) {
  const TinyCheckpoint checkpoint;
  const Forward by_value(ByValue{}, checkpoint), by_row(ByRow{}, checkpoint), exact(ExactOps{}, checkpoint);
  EXPECT_EQ(by_value.state.logits, by_row.state.logits);
  EXPECT_NE(by_value.state.logits, exact.state.logits);
  for (const float x : by_row.state.logits) EXPECT_TRUE(std::isfinite(x));
}

// The rows that it changes are what the operations go on with.
TEST(RoundRow, ChangesWhatIsReadLater) {
  const TinyCheckpoint checkpoint;
  struct ZeroValues : ExactOps {
    void round_row(const Site& site, std::span<float> row) const override {
      if (site.projection == Projection::v && site.layer == 1) std::ranges::fill(row, 0.0f);
    }
  };
  const Forward forward(ZeroValues{}, checkpoint);
  for (const float x : forward.state.a) EXPECT_EQ(x, 0.0f) << "of the last layer's attention";
}

TEST(Weights, AreVectorsOrMatricesAsTheirShapesSay) {
  constexpr ModelConfig kConfig = {
      .L = 2, .H = 2, .C = 12, .F = 20, .V = 23, .T = 40, .end_of_text = 22, .epsilon = 1e-5f};
  for (int i = 0; i < kWeights; ++i) {
    const auto weight = static_cast<Weight>(i);
    EXPECT_EQ(is_vector(weight), shape_of(weight, kConfig).cols == 1) << name_of(weight);
    EXPECT_NE(is_vector(weight), is_matrix(weight)) << name_of(weight);
    EXPECT_EQ(is_layer_matrix(weight), is_matrix(weight) && is_per_layer(weight)) << name_of(weight);
  }
}

}  // namespace
}  // namespace gpt2run::test
