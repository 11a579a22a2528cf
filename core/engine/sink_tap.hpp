// SinkTap: shows the sinks of a run what operations write, and computes logits for them.
#pragma once
#include <string>

#include "gpt2run/engine/delivery.hpp"
#include "gpt2run/engine/taps.hpp"
#include "gpt2run/engine/tokenizer_vocabulary.hpp"

namespace gpt2run {

class SinkTap final : public RowTap {
 public:
  // The arguments must outlive it. precision: its name, for messages. vocab: the model's V.
  SinkTap(Delivery& sinks, Session& session, const std::string& precision, int32_t vocab, const Tokenizer* tokenizer)
      : sinks_(sinks), readout_(session, precision), vocab_(vocab), vocabulary_(tokenizer) {}

  bool wants(const char* op) const override { return sinks_.taps(op); }

  bool tensor(const char* op, int layer, float* values, int cols, std::span<const TensorRow> owners) override {
    sinks_.tensor({op, layer, values, static_cast<int32_t>(owners.size()), cols, owners.data(), &readout_, vocab_,
                   vocabulary_.pointer()});
    return false;
  }

 private:
  Delivery& sinks_;
  SessionReadout readout_;
  int32_t vocab_;
  TokenizerVocabulary vocabulary_;
};

}  // namespace gpt2run
