// LayerReader: reads the residual stream of a step after each layer, through the model's own end.
#pragma once
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "lens_record.hpp"

namespace gpt2run {

// Keeps the rows of a step until its last layer is there, because the token that counts at every layer is that of the
// last one. Memory: (layers + 1) x rows x C floats, and the logits of kRows rows.
class LayerReader {
 public:
  // layers: of the model. top: tokens of each reading.
  LayerReader(int layers, int top) : layers_(layers), top_(top) {}

  // Takes what `embed` or `down_add` wrote. wanted: asked once for each row of a step. found: called for the wanted
  // rows when the last layer of the step is there. Throws Error if rows or layers are not those of one step.
  void take(const TensorEvent& event, const std::function<bool(const TensorRow&)>& wanted,
            const std::function<void(const TensorRow&, LensPosition)>& found);

 private:
  static constexpr int kRows = 128;  // rows of logits at a time

  void begin(const TensorEvent& event, const std::function<bool(const TensorRow&)>& wanted);
  // Readings of a layer's rows. given: (rows) the token to be asked for, -1 for the most likely one.
  std::vector<RowReading> read(const TensorEvent& event, int layer, std::span<const int32_t> given);

  int layers_, top_;
  int rows_ = 0, cols_ = 0, next_ = 0;      // of the step; next_: the layer that comes next, 0 for the embedding
  std::vector<int> chosen_;                 // rows of the step that are wanted
  std::vector<TensorRow> owners_;           // of these
  std::vector<std::vector<float>> states_;  // (layers + 1) of (wanted rows, C)
  std::vector<float> logits_;
};

}  // namespace gpt2run
