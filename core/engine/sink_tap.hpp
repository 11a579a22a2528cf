// SinkTap: shows the sinks of a run what operations write, and computes logits for them.
#pragma once
#include <string>

#include "gpt2run/engine/delivery.hpp"
#include "gpt2run/engine/taps.hpp"
#include "gpt2run/engine/tokenizer_vocabulary.hpp"

namespace gpt2run {

class SinkTap final : public RowTap, private Readout {
 public:
  // The arguments must outlive it. precision: its name, for messages. vocab: the model's V.
  SinkTap(Delivery& sinks, Session& session, const std::string& precision, int32_t vocab, const Tokenizer* tokenizer)
      : sinks_(sinks), session_(session), precision_(precision), vocab_(vocab), vocabulary_(tokenizer) {}

  bool wants(const char* op) const override { return sinks_.taps(op); }

  bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) override {
    sinks_.tensor({op, layer, values, static_cast<int32_t>(owners.size()), cols, owners.data(), this, vocab_,
                   vocabulary_.pointer()});
    return false;
  }

 private:
  void logits(const float* x, int rows, float* logits) const override {
    if (!session_.readout(x, rows, logits))
      fail("precision ", precision_, ": it computes no logits of values from inside the model");
  }

  Delivery& sinks_;
  Session& session_;
  const std::string& precision_;
  int32_t vocab_;
  TokenizerVocabulary vocabulary_;
};

}  // namespace gpt2run
