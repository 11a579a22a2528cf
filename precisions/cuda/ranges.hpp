// StepRanges: the profiler ranges of a forward pass: the embedding, every layer, and the head.
#pragma once
#include <optional>

#include "gpt2run/sdk/cuda/range.hpp"
#include "gpt2run/sdk/network.hpp"

namespace gpt2run::cuda {

class StepRanges {
 public:
  explicit StepRanges(int layers) : layers_(layers) { range_.emplace("embed"); }

  // Called after each operation of gpt2_forward.
  void wrote(Op op, int layer) {
    if (op == Op::norm_logits) return range_.reset();
    if (op != Op::embed && op != Op::down_add) return;
    range_.reset();
    if (layer + 1 < layers_)
      range_.emplace("layer", layer + 1);
    else
      range_.emplace("head");
  }

 private:
  int layers_;
  std::optional<Range> range_;
};

}  // namespace gpt2run::cuda
