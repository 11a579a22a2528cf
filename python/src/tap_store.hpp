// What the operations of a run wrote, collected by a tap.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gpt2run/engine/taps.hpp"

namespace gpt2run::python {

// The output of one operation of one layer in all steps of a run.
struct TapTensor {
  int32_t cols = 0;
  std::vector<float> values;  // (rows, cols)
  std::vector<TensorRow> rows;
};

// Collects the values of one run after another. Any thread, also while a run computes in another one.
class TapStore final : public RowTap {
 public:
  // Empty sets stand for all operations and all layers; those outside of the layers have layer -1. Throws Error for a
  // name that is none of the seven operations.
  TapStore(std::set<std::string> ops, std::set<int32_t> layers);

  // Forgets what was collected.
  void clear();

  bool wants(const char* op) const override;
  bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) override;

  // By operation and layer, in the order of their names.
  using Key = std::pair<std::string, int32_t>;
  // A copy of what was collected until now, with the rows sorted by sequence and position.
  std::map<Key, TapTensor> tensors() const;

 private:
  std::set<std::string> ops_;
  std::set<int32_t> layers_;
  mutable std::mutex mutex_;  // of the tensors
  std::map<Key, TapTensor> tensors_;
};

}  // namespace gpt2run::python
