// The calls that core makes on a sink that taps: a model of two layers and three channels, whose end is easy to see.
#pragma once
#include <vector>

#include "sinks/sink_fixture.hpp"

namespace gpt2run::test {

// Texts as a vocabulary may have them: parts of characters, HTML, control characters, and none.
struct OddWords final : Vocabulary {
  std::string_view piece(int32_t id) const override {
    static constexpr std::string_view kPieces[] = {" a", "</script><b>", "\xe2\x82", "", "\x1b[31m\n"};
    return id < 5 ? kPieces[id] : std::string_view();
  }
};

// The logits of x are x itself, then 0 and -1.
struct FirstChannels final : Readout {
  void logits(const float* x, int rows, float* logits) const override {
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < 3; ++i) logits[row * 5 + i] = x[row * 3 + i];
      logits[row * 5 + 3] = 0, logits[row * 5 + 4] = -1;
    }
    most_rows = std::max(most_rows, rows);
  }
  mutable int most_rows = 0;
};

constexpr char kTapManifest[] = R"({"model": {"config": {"L": 2, "H": 2, "C": 3, "V": 5}}, "options": {"samples": 1}})";

class TapSinkTest : public SinkTest {
 protected:
  // One operation's values, (rows, cols). Owners have the id of their position.
  void tensor(Sink& sink, const char* op, int32_t layer, const std::vector<TensorRow>& owners,
              const std::vector<float>& values, bool has_words = true) {
    const auto rows = static_cast<int32_t>(owners.size());
    sink.tensor({.op = op,
                 .layer = layer,
                 .values = values.data(),
                 .rows = rows,
                 .cols = rows > 0 ? static_cast<int32_t>(values.size()) / rows : 3,
                 .owners = owners.data(),
                 .readout = &end_,
                 .vocab = 5,
                 .vocabulary = has_words ? &words_ : nullptr});
  }

  OddWords words_;
  FirstChannels end_;
};

}  // namespace gpt2run::test
