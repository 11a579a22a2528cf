#include "tap_store.hpp"

#include <algorithm>
#include <numeric>

#include "gpt2run/sdk/escape.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run::python {
namespace {

void check_op(const std::string& op) {
  std::string names;
  for (int i = 0; i < kOps; ++i) {
    const std::string name = name_of(static_cast<Op>(i));
    if (name == op) return;
    names += (i ? ", " : "") + name;
  }
  fail("tap: expected operations among ", names, "; found ", in_quotes(op));
}

void sort(TapTensor& tensor) {
  const auto less = [&](size_t a, size_t b) {
    const TapRow &x = tensor.rows[a], &y = tensor.rows[b];
    return std::pair(x.sequence, x.position) < std::pair(y.sequence, y.position);
  };
  std::vector<size_t> order(tensor.rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (std::ranges::is_sorted(order, less)) return;
  std::ranges::stable_sort(order, less);
  TapTensor sorted{tensor.cols, {}, {}};
  sorted.values.reserve(tensor.values.size()), sorted.rows.reserve(tensor.rows.size());
  for (const size_t row : order) {
    const float* values = tensor.values.data() + row * static_cast<size_t>(tensor.cols);
    sorted.values.insert(sorted.values.end(), values, values + tensor.cols);
    sorted.rows.push_back(tensor.rows[row]);
  }
  tensor = std::move(sorted);
}

}  // namespace

TapStore::TapStore(std::set<std::string> ops, std::set<int32_t> layers)
    : ops_(std::move(ops)), layers_(std::move(layers)) {
  for (const std::string& op : ops_) check_op(op);
}

void TapStore::begin(Rows rows, SequenceOf sequence_of) {
  const std::lock_guard lock(mutex_);
  tensors_.clear();
  rows_ = std::move(rows), sequence_of_ = std::move(sequence_of);
}

void TapStore::end() {
  const std::lock_guard lock(mutex_);
  rows_ = {}, sequence_of_ = {};
}

bool TapStore::wants(const char* op) const { return ops_.empty() ? Tap::wants(op) : ops_.contains(op); }

bool TapStore::tensor(const char* op, int layer, float* host, int rows, int cols) {
  const std::lock_guard lock(mutex_);
  if (!rows_ || (!layers_.empty() && !layers_.contains(layer))) return false;
  TapTensor& tensor = tensors_[{op, layer}];
  tensor.cols = cols;
  tensor.values.insert(tensor.values.end(), host, host + int64_t{rows} * cols);
  const bool only_logits = std::string_view(op) == name_of(Op::norm_logits);
  for (const StepRow& row : rows_())
    if (row.logits || !only_logits) tensor.rows.push_back({sequence_of_(row.request), row.position + row.shift});
  if (std::ssize(tensor.rows) * cols != std::ssize(tensor.values))
    fail("tap ", op, ": expected ", tensor.rows.size(), " rows, found ", std::ssize(tensor.values) / cols);
  return false;
}

std::map<TapStore::Key, TapTensor> TapStore::tensors() const {
  std::map<Key, TapTensor> found;
  {
    const std::lock_guard lock(mutex_);
    found = tensors_;
  }
  for (auto& [key, tensor] : found) sort(tensor);
  return found;
}

}  // namespace gpt2run::python
