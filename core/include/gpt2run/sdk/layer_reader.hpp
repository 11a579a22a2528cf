// LayerReader: reads the residual stream of a step after each layer, through the model's own end.
#pragma once
#include <algorithm>
#include <functional>
#include <future>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "gpt2run/sdk/row_reading.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// One position after all layers.
struct LensPosition {
  int32_t id;     // the token that was read there
  int32_t final;  // the token that the last layer finds most likely; -1 where nothing can be said
  // (layers + 1): the first is the embedding, the next ones are the layers in their order. The given token of each
  // reading is `final`.
  std::vector<RowReading> layers;
};

// Keeps the rows of a step until its last layer is there, because the token that counts at every layer is that of the
// last one. Memory: (layers + 1) x rows x C floats, and the logits of kRows rows. Two threads read them, so that more
// of the time is that of the head's product.
class LayerReader {
 public:
  // layers: of the model. top: tokens of each reading.
  LayerReader(int layers, int top) : layers_(layers), top_(top) {}

  // Takes what `embed` or `down_add` wrote. wanted: asked once for each row of a step. found: called for the wanted
  // rows when the last layer of the step is there. Throws Error if rows or layers are not those of one step.
  void take(const TensorEvent& event, const std::function<bool(const TensorRow&)>& wanted,
            const std::function<void(const TensorRow&, LensPosition)>& found);

 private:
  static constexpr int kRows = 128;    // rows of logits at a time
  static constexpr int kFewRows = 16;  // fewer are not worth a second thread

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

inline void LayerReader::begin(const TensorEvent& event, const std::function<bool(const TensorRow&)>& wanted) {
  rows_ = event.rows, cols_ = event.cols, next_ = 0;
  chosen_.clear(), owners_.clear();
  for (int row = 0; row < rows_; ++row) {
    if (!wanted(event.owners[row])) continue;
    chosen_.push_back(row);
    owners_.push_back(event.owners[row]);
  }
  states_.resize(static_cast<size_t>(layers_) + 1);
}

inline void LayerReader::take(const TensorEvent& event, const std::function<bool(const TensorRow&)>& wanted,
                              const std::function<void(const TensorRow&, LensPosition)>& found) {
  if (event.layer < 0) begin(event, wanted);
  if (event.layer + 1 != next_ || event.rows != rows_ || event.cols != cols_)
    fail("lens: expected layer ", next_ - 1, " of a step with ", rows_, " rows of ", cols_, " values, found layer ",
         event.layer, " with ", event.rows, " of ", event.cols);
  std::vector<float>& state = states_[static_cast<size_t>(next_)];
  state.resize(chosen_.size() * static_cast<size_t>(cols_));
  for (size_t i = 0; i < chosen_.size(); ++i)
    std::copy_n(event.values + int64_t{chosen_[i]} * cols_, cols_, state.begin() + static_cast<ptrdiff_t>(i) * cols_);
  if (++next_ <= layers_ || chosen_.empty()) return;

  std::vector<LensPosition> positions(chosen_.size());
  std::vector<int32_t> final(chosen_.size(), -1);
  for (int layer = layers_; layer >= 0; --layer) {
    std::vector<RowReading> readings = read(event, layer, final);
    for (size_t i = 0; i < readings.size(); ++i) {
      if (layer == layers_ && !readings[i].top.empty()) final[i] = readings[i].top[0].id;
      if (final[i] < 0) readings[i].logprob = std::numeric_limits<float>::quiet_NaN(), readings[i].rank = 0;
      positions[i].layers.push_back(std::move(readings[i]));
    }
  }
  for (size_t i = 0; i < positions.size(); ++i) {
    positions[i].id = owners_[i].id, positions[i].final = final[i];
    std::reverse(positions[i].layers.begin(), positions[i].layers.end());
    found(owners_[i], std::move(positions[i]));
  }
}

inline std::vector<RowReading> LayerReader::read(const TensorEvent& event, int layer, std::span<const int32_t> given) {
  const float* state = states_[static_cast<size_t>(layer)].data();
  const auto vocab = static_cast<size_t>(event.vocab);
  const int rows = static_cast<int>(chosen_.size());
  std::vector<RowReading> readings(static_cast<size_t>(rows));
  for (int begin = 0; begin < rows; begin += kRows) {
    const int count = std::min(kRows, rows - begin);
    logits_.resize(std::max(logits_.size(), static_cast<size_t>(count) * vocab));
    event.readout->logits(state + int64_t{begin} * cols_, count, logits_.data());
    const auto read_rows = [&, begin](int first, int last) {
      for (int i = first; i < last; ++i)
        readings[static_cast<size_t>(begin + i)] = read_row({logits_.data() + static_cast<size_t>(i) * vocab, vocab},
                                                            top_, given[static_cast<size_t>(begin + i)]);
    };
    const int own = count < kFewRows ? count : count / 2;
    std::future<void> others;  // deferred only where there can be no more threads
    if (own < count) others = std::async(std::launch::async | std::launch::deferred, read_rows, own, count);
    read_rows(0, own);
    if (others.valid()) others.get();
  }
  return readings;
}

}  // namespace gpt2run
