// What the formats of the grid cost on the demo model: the error of its weights, and how far its predictions move. The
// figures to meet were measured by an independent simulation of the formats in double.
#include <gmock/gmock.h>

#include <fstream>
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

// The RMS error of the layers' matrices and the head, relative to their RMS.
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
  add(checkpoint->tensor(Weight::head_w, 0));
  for (int layer = 0; layer < checkpoint->config().L; ++layer) {
    for (const Weight weight : {Weight::qkv_w, Weight::proj_w, Weight::up_w, Weight::down_w})
      add(checkpoint->tensor(weight, layer));
  }
  return std::sqrt(errors / squares);
}

TEST(GridCost, ErrorOfTheWeights) {
  struct Row {
    RowFormat format;
    double error;
  };
  const Row rows[] = {{grid::kInt4Contract, 0.0859},
                      {{Format::int4, 32, Zero::least}, 0.0789},
                      {{Format::int4, 32, Zero::on}, 0.0816},
                      {{Format::fp32}, 0}};
  for (const Row& one : rows) {
    const double error = weight_error(one.format);
    EXPECT_NEAR(error, one.error, 0.00006) << name_of(one.format.format) << ", zero " << name_of(one.format.zero);
  }
}

}  // namespace
}  // namespace gpt2run::test
