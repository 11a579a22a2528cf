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
    const TensorRow &x = tensor.rows[a], &y = tensor.rows[b];
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

void TapStore::clear() {
  const std::lock_guard lock(mutex_);
  tensors_.clear();
}

bool TapStore::wants(const char* op) const {
  return ops_.empty() ? std::string_view(op) != name_of(Op::attention_weights) : ops_.contains(op);
}

bool TapStore::tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) {
  if (!layers_.empty() && !layers_.contains(layer)) return false;
  const std::lock_guard lock(mutex_);
  TapTensor& tensor = tensors_[{op, layer}];
  tensor.cols = cols;
  tensor.values.insert(tensor.values.end(), values, values + std::ssize(owners) * cols);
  tensor.rows.insert(tensor.rows.end(), owners.begin(), owners.end());
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
