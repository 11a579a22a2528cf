// Rows of the operation `attention_weights`, as sinks keep them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "gpt2run/sink.hpp"

namespace gpt2run {

// The part of `attention_weights` that belongs to a row of the event: of (heads, keys) values, with zeros behind the
// row's own position. Returns (heads, position + 1). heads: of the model, 0 if the manifest does not tell. sink: for
// messages. Throws Error for values that are not those of these heads, and for a row after a context shift, whose
// position in the text is no longer one of the keys'.
inline std::vector<float> kept_weights(const std::string& sink, const TensorEvent& event, int32_t row, int heads) {
  if (heads == 0) fail(sink, ": expected the model's number of heads in the manifest of the run, found none");
  if (event.cols % heads != 0) fail(sink, ": expected a multiple of ", heads, " heads as columns, found ", event.cols);
  const int keys = event.cols / heads, position = event.owners[row].position;
  const float* values = event.values + int64_t{row} * event.cols;
  if (position >= keys)
    fail(sink, ": attention_weights: sequence ", event.owners[row].sequence, ": expected a position below ", keys,
         ", found ", position, ": after a context shift positions are no longer those of the text");
  std::vector<float> kept;
  kept.reserve(static_cast<size_t>(heads) * static_cast<size_t>(position + 1));
  for (int head = 0; head < heads; ++head) {
    const float* row = values + int64_t{head} * keys;
    kept.insert(kept.end(), row, row + position + 1);
  }
  return kept;
}

}  // namespace gpt2run
