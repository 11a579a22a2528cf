// A tiny model for fast checks of a precision: L=2, H=2, C=8, F=12, V=17, T=9, with a tied head. Its values are exact
// in every number type.
#pragma once
#include <string>
#include <vector>

#include "gpt2run/loader.hpp"

namespace gpt2run::conformance {

inline constexpr ModelConfig kTiny = {
    .L = 2, .H = 2, .C = 8, .F = 12, .V = 17, .T = 9, .end_of_text = -1, .epsilon = 1e-5f, .tied_head = true};

// How a tiny model is stored in memory. The values are the same in any form.
struct TinyForm {
  Type type = Type::f32;       // any but u4, whose groups cannot represent these values
  bool awkward = false;        // matrices of layers are transposed, with padded rows, and everything is unaligned
  ModelConfig config = kTiny;  // with the sizes of kTiny
};

// Owns the weights.
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
  std::vector<float> scales_;                 // of the int8 form, enough for any weight's rows
  std::vector<std::vector<Stored>> weights_;  // [weight][layer]
};

}  // namespace gpt2run::conformance
