// Sinks: they receive the results. The caller decides when a sequence ends, and holds back incomplete UTF-8 and text
// that may turn out to be a stop string. Calls come sequence by sequence unless the sink asks for any order.
#pragma once
#include <span>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// What a sink wants, as flags.
//   kLogprob: log-probabilities of the tokens.
//   kLogits: raw logits; needs kAnyOrder, because logits are not buffered. Nothing is replayed.
//   kTimes: calls of step(). Nothing is replayed, and the phases of a step run one after another.
//   kAnyOrder: calls as events happen, so that sequences mix. Without it all calls for sequence 0 come first, then all
//     for sequence 1, and so on.
//   kPrompt: token() is called for the prompt's tokens too, with step = -1.
//   kTaps: tensor() is called for the operations that taps() names; needs kAnyOrder. Nothing is replayed, and no prefix
//     is shared, so that every sequence has rows of its own.
enum Wants : uint32_t { kLogprob = 1, kLogits = 2, kTimes = 4, kAnyOrder = 8, kPrompt = 16, kTaps = 32 };

// The texts of token ids.
struct Vocabulary {
  // The bytes of a token, possibly only part of a UTF-8 character; empty for an id without text. Valid for the whole
  // run.
  virtual std::string_view piece(int32_t id) const = 0;

 protected:
  ~Vocabulary() = default;
};

// One token of a sequence.
struct TokenEvent {
  uint64_t sequence;
  int32_t step;           // 0 for the first generated token; -1 for a token of the prompt
  int32_t position, id;   // position in the sequence, prompt included
  std::string_view text;  // text that this token releases; incomplete UTF-8 and possible stop strings are held back
  float logprob;          // natural logarithm, under the raw logits; NaN unless wanted
  // (vocab) raw; null unless wanted. A prompt's first token and those of a shared prefix have none.
  const float* logits;
  int32_t vocab;
  const Vocabulary* vocabulary;  // the text of any token, for showing alternatives; null without a tokenizer
};

// One step: a forward pass, and the choice of tokens from it. All slots share its times. A step that only reads prompts
// may choose no token.
struct StepEvent {
  int64_t step;     // 0 for the first of the run
  int32_t rows;     // rows of the step
  int32_t sampled;  // tokens chosen
  StepTimes times;
};

// Whose row of a tensor it is: that of token `id`, fed at this position of the sequence, prompt included.
struct TensorRow {
  uint64_t sequence;
  int32_t position, id;
};

// The model's end: the final layernorm and the head, by the session's own kernels.
struct Readout {
  // logits (rows, V) = W LNf(x), where x is (rows, C). Only inside Sink::tensor(). Throws Error if the session cannot.
  virtual void logits(const float* x, int rows, float* logits) const = 0;

 protected:
  ~Readout() = default;
};

// What one operation of a step wrote, as a Tap sees it. Everything is valid during the call only.
struct TensorEvent {
  const char* op;  // a name of sdk/network.hpp
  int32_t layer;   // -1 outside the layers
  const float* values;
  int32_t rows, cols;
  const TensorRow* owners;  // (rows)
  const Readout* readout;
  int32_t vocab;
  const Vocabulary* vocabulary;  // null without a tokenizer
};

// A sink. One thread at a time. Its functions throw Error (a full disk, a closed pipe), which ends the run. A sink that
// is destroyed without end() must leave no half-written file.
struct Sink {
  virtual ~Sink() = default;
  // The flags above, or-ed.
  virtual uint32_t wants() const = 0;
  virtual void begin(std::string_view manifest_json) { (void)manifest_json; }
  virtual void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t> tokens) {
    (void)sequence, (void)prompt, (void)tokens;
  }
  virtual void token(const TokenEvent&) = 0;
  // Called with kTimes only, before the tokens of the step, in whatever order those come.
  virtual void step(const StepEvent&) {}
  // The end of a sequence. tail: text that was held back until now. reason: "length", "context" (the model's context is
  // full), "end_of_text", "stop", "cancelled" or "error".
  virtual void finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
    (void)sequence, (void)tail, (void)reason;
  }
  // All sequences are done. Files become visible here.
  virtual void end(std::string_view summary_json) { (void)summary_json; }
  // With kTaps: whether it wants the operation; asked once, before the first step, for every operation of the session.
  virtual bool taps(const char* op) const { return (void)op, false; }
  // With kTaps: what a wanted operation wrote. A long prompt comes in several steps, and a step may hold rows of
  // several sequences; the operations of a step come in the order of the network.
  virtual void tensor(const TensorEvent&) {}
};

}  // namespace gpt2run
