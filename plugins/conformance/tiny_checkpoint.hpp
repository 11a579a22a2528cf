// A model small enough to check every promise of a precision in a blink: L=2, H=2, C=8, F=12, V=17, T=9, tied head,
// made of values that every type holds exactly.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::conformance {

inline constexpr ModelConfig kTiny = {
    .L = 2, .H = 2, .C = 8, .F = 12, .V = 17, .T = 9, .end_of_text = -1, .epsilon = 1e-5f, .tied_head = true};

// What a tiny model looks like in memory. The values are the same in any form.
struct TinyForm {
  Type type = Type::f32;  // any but u4, whose groups cannot hold these values
  bool awkward = false;   // every matrix but the embeddings stands transposed, with padded rows and at an odd address
  ModelConfig config = kTiny;  // of kTiny's sizes
};

class TinyCheckpoint final : public Checkpoint {
 public:
  explicit TinyCheckpoint(const TinyForm& form = {});
  TinyCheckpoint(const TinyCheckpoint&) = delete;  // views point into it
  TinyCheckpoint& operator=(const TinyCheckpoint&) = delete;

  const ModelConfig& config() const override { return form_.config; }
  Tensor tensor(Weight, int layer) const override;
  const char* tokenizer() const override { return nullptr; }

 private:
  struct Stored {
    std::string bytes;
    Tensor view;
  };
  Stored store(Weight, int layer) const;

  TinyForm form_;
  std::vector<float> scales_;                 // (most rows), of the int8 form
  std::vector<std::vector<Stored>> weights_;  // by weight, then layer
};

}  // namespace gpt2run::conformance
