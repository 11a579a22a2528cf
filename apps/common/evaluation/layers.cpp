// Taps record the outputs of a few rows at a time. Those of the reference are kept until every test has run the same
// rows.
#include "common/evaluation/layers.hpp"

#include <algorithm>
#include <cmath>

#include "gpt2run/evaluation/teacher_forcing.hpp"

namespace gpt2run {
namespace {

constexpr int32_t kRows = 16;  // rows per chunk

// The output of one operation for one chunk of rows.
struct Output {
  std::string op;
  int layer, rows, cols;
  std::vector<float> values;
};

// Records what the operations of one session write in a chunk.
class Recorder final : public Tap {
 public:
  bool tensor(const char* op, int layer, float* host, int rows, int cols) override {
    if (used_ == outputs_.size()) outputs_.emplace_back();
    Output& output = outputs_[used_++];
    output.op = op, output.layer = layer, output.rows = rows, output.cols = cols;
    output.values.assign(host, host + static_cast<int64_t>(rows) * cols);
    return false;
  }
  void clear() { used_ = 0; }
  std::span<const Output> outputs() const { return {outputs_.data(), used_}; }
  // Also that of an earlier chunk, for its name and layer.
  const Output& output(size_t index) const { return outputs_[index]; }

 private:
  std::vector<Output> outputs_;
  size_t used_ = 0;
};

// A session with a recorder as its tap for the lifetime of this object.
class Tapped {
 public:
  explicit Tapped(const Instance& instance)
      : name_(instance.name), session_(*instance.session), forced_(session_, kRows), works_(session_.tap(&recorder_)) {}
  ~Tapped() {
    if (works_) session_.tap(nullptr);
  }
  Tapped(const Tapped&) = delete;
  Tapped& operator=(const Tapped&) = delete;

  bool works() const { return works_; }
  const std::string& name() const { return name_; }
  void begin(const Window& window) { forced_.begin(window.tokens, 1); }
  std::span<const Output> outputs() const { return recorder_.outputs(); }

  // Runs the next chunk and returns its number of rows; 0 at the end of the window.
  int32_t step() {
    TargetRows rows{};
    recorder_.clear();
    return forced_.next(rows) ? rows.rows : 0;
  }

  void add_ranges() {
    ranges_.resize(outputs().size());
    for (size_t i = 0; i < ranges_.size(); ++i)
      for (const float x : outputs()[i].values) ranges_[i].add(x);
  }
  void add_errors(const Tapped& reference) {
    expect_shapes_of(reference);
    errors_.resize(outputs().size()), counts_.resize(outputs().size());
    for (size_t i = 0; i < errors_.size(); ++i) {
      const std::vector<float>&theirs = reference.outputs()[i].values, &ours = outputs()[i].values;
      for (size_t v = 0; v < ours.size(); ++v) errors_[i].add(theirs[v], ours[v]);
      counts_[i] += std::ssize(ours);
    }
  }

  std::vector<OpRange> ranges() const {
    std::vector<OpRange> all;
    for (size_t i = 0; i < ranges_.size(); ++i)
      all.push_back(ranges_[i].result(recorder_.output(i).op, recorder_.output(i).layer));
    return all;
  }
  std::vector<OpError> errors() const {
    std::vector<OpError> all;
    for (size_t i = 0; i < errors_.size(); ++i)
      all.push_back(errors_[i].result(recorder_.output(i).op, recorder_.output(i).layer, counts_[i]));
    return all;
  }

 private:
  void expect_shapes_of(const Tapped& reference) const {
    const auto alike = [](const Output& a, const Output& b) {
      return a.op == b.op && a.layer == b.layer && a.rows == b.rows && a.cols == b.cols;
    };
    if (!std::ranges::equal(outputs(), reference.outputs(), alike))
      fail(name_, ": expected operations of the same shapes as those of ", reference.name_, ", found others");
  }

  std::string name_;
  Session& session_;
  Recorder recorder_;
  TeacherForcing forced_;
  bool works_;
  std::vector<OpRangeSum> ranges_;
  std::vector<OpErrorSum> errors_;
  std::vector<int64_t> counts_;
};

// Runs all sessions over the windows in lockstep, one chunk at a time, and adds up ranges and errors. The first session
// is the reference, and all must have taps that work.
void step_all(std::span<Tapped* const> all, std::span<const Window> windows, const std::function<void()>& check) {
  for (const Window& window : windows) {
    for (Tapped* one : all) one->begin(window);
    while (all[0]->step() > 0) {
      check();
      all[0]->add_ranges();
      for (Tapped* test : all.subspan(1)) {
        test->step();
        test->add_ranges();
        test->add_errors(*all[0]);
      }
    }
  }
}

}  // namespace

std::optional<double> roundoff_of(const BoundPlugin& precision) {
  const std::optional<Type> type = type_of(precision);
  if (!type) return std::nullopt;
  switch (*type) {
    case Type::f32:
      return 0x1p-24;
    case Type::f16:
      return 0x1p-11;
    case Type::bf16:
      return 0x1p-8;
    default:
      return std::nullopt;
  }
}

std::optional<double> default_threshold(const Instance& reference, const Instance& test) {
  const std::optional<double> ours = roundoff_of(*reference.chosen), theirs = roundoff_of(*test.chosen);
  if (!ours || !theirs) return std::nullopt;
  return 10 * std::max(*ours, *theirs) * std::sqrt(2.0 * reference.checkpoint->config().L);
}

Layers compare_layers(std::span<const Instance> instances, std::span<const Window> windows, int64_t rows,
                      double threshold, const std::function<void()>& check) {
  const std::vector<Window> fed = first_targets(windows, rows);
  std::vector<std::unique_ptr<Tapped>> tapped;
  for (const Instance& instance : instances) tapped.push_back(std::make_unique<Tapped>(instance));
  Layers layers{instances[0].name, tapped[0]->works(), targets_of(fed), {}, {}};
  std::vector<Tapped*> working;
  for (const auto& one : tapped)
    if (one->works()) working.push_back(one.get());
  if (layers.tapped) step_all(working, fed, check);
  layers.ranges = tapped[0]->ranges();
  for (size_t i = 1; i < tapped.size(); ++i) {
    const std::optional<double> limit = threshold > 0 ? threshold : default_threshold(instances[0], instances[i]);
    LayerTest test{instances[i].name, tapped[i]->works(), limit, tapped[i]->errors(), {}, tapped[i]->ranges()};
    const auto above = [&](const OpError& error) {
      return std::isnan(error.rms_error) || (limit && error.rms_error > *limit);
    };
    const auto first = std::ranges::find_if(test.errors, above);
    if (first != test.errors.end()) test.first_above = static_cast<size_t>(first - test.errors.begin());
    layers.tests.push_back(std::move(test));
  }
  return layers;
}

std::string position_of(const std::string& op, int32_t layer) {
  return layer < 0 ? op : op + " of layer " + std::to_string(layer);
}

std::string first_nan(const std::string& instance, std::span<const OpRange> ranges) {
  const auto first = std::ranges::find_if(ranges, [](const OpRange& range) { return range.nans > 0; });
  if (first == ranges.end()) return "";
  return "the first operation of " + instance + " that writes NaN is " + position_of(first->op, first->layer);
}

std::string first_nan(std::span<const Instance> instances, std::span<const Window> windows,
                      const std::function<void()>& check) {
  for (const Instance& instance : instances) {
    Tapped tapped(instance);
    if (!tapped.works()) continue;
    Tapped* const alone[] = {&tapped};
    step_all(alone, windows, check);
    const std::vector<OpRange> ranges = tapped.ranges();
    if (std::string line = first_nan(instance.name, ranges); !line.empty()) return line;
  }
  return "";
}

}  // namespace gpt2run
