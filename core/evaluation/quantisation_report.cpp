// Quantises every matrix once, row by row. Each is measured by a single thread, so that its sums have a fixed order.
#include "gpt2run/evaluation/quantisation_report.hpp"

#include <algorithm>
#include <cmath>

#include "each_tensor.hpp"
#include "gpt2run/sdk/float16.hpp"
#include "gpt2run/sdk/quantise.hpp"

namespace gpt2run {
namespace {

class Measure {
 public:
  Measure(const Tensor& t, QuantisationReport& result)
      : t_(t),
        to_(result.to),
        result_(result),
        codes_(static_cast<size_t>(t.cols)),
        groups_((codes_.size() + kInt4Group - 1) / kInt4Group) {}

  void run() {
    // A file may store the matrix transposed, so several rows are fetched together.
    constexpr int64_t kRows = 32;
    std::vector<float> rows(static_cast<size_t>(kRows * t_.cols));
    for (int64_t begin = 0; begin < t_.rows; begin += kRows) {
      const int64_t count = std::min(kRows, t_.rows - begin);
      for (int64_t c = 0; c < t_.cols; ++c)
        for (int64_t r = 0; r < count; ++r) rows[static_cast<size_t>(r * t_.cols + c)] = at(t_, begin + r, c);
      for (int64_t r = 0; r < count; ++r)
        add_row(std::span(rows).subspan(static_cast<size_t>(r * t_.cols), codes_.size()));
    }
    result_.count = t_.rows * t_.cols;
    result_.error = sum_.value();
  }

 private:
  void add_row(std::span<const float> row) {
    const float scale = to_ == Type::i8 ? quantise_int8(row, reinterpret_cast<int8_t*>(codes_.data()))
                                        : quantise_int4(row, codes_.data(), groups_.data());
    if (std::isnan(scale)) {
      for (const float x : row) result_.not_finite += !std::isfinite(x);
      return;
    }
    result_.scale = std::max(result_.scale, double{scale});
    for (size_t i = 0; i < row.size(); ++i) add(row[i], scale, i);
  }

  void add(float x, float scale, size_t i) {
    const Int4Group group = to_ == Type::i8 ? Int4Group{1, 0} : groups_[i / kInt4Group];
    const int weight = to_ == Type::i8 ? static_cast<int8_t>(codes_[i]) : int4_weight(group, codes_[i]);
    const float value = scale * static_cast<float>(weight), step = scale * static_cast<float>(group.factor);
    if (to_ == Type::u4 && scale > 0) {
      const int32_t code = nearest_even(x / step) + group.zero;
      result_.clipped += code < 0 || code > kMostInt4;
    }
    result_.zeroed += x != 0 && weight == 0;
    result_.largest = std::max(result_.largest, double{std::abs(x)});
    sum_.add(x, value);
  }

  Tensor t_;
  Type to_;
  QuantisationReport& result_;
  RelativeError sum_;
  std::vector<uint8_t> codes_;  // of one row
  std::vector<Int4Group> groups_;
};

}  // namespace

std::vector<QuantisationReport> quantisation_report_of(const Checkpoint& model, Type layers, std::optional<Type> head) {
  for (const Type type : {layers, head.value_or(layers)})
    if (type != Type::i8 && type != Type::u4) fail_type(type);
  const auto is_head = [](Weight weight) { return weight == Weight::wte || weight == Weight::head_w; };
  std::vector<NamedTensor> tensors = tensors_of(model);
  std::erase_if(tensors, [&](const NamedTensor& one) {
    return is_vector(one.weight) || one.weight == Weight::wpe || (is_head(one.weight) && !head);
  });
  std::vector<QuantisationReport> results;
  for (const auto& [weight, layer, tensor] : tensors)
    results.push_back({weight, layer, tensor.type, is_head(weight) ? *head : layers, 0, 0, 0, 0, 0, 0, 0});
  on_all_processors(tensors.size(), [&](size_t i) { Measure(tensors[i].tensor, results[i]).run(); });
  return results;
}

}  // namespace gpt2run
