// Sinks: where results go. Core calls them in the order of sequences, holds back incomplete UTF-8 and possible stop
// strings, and decides on the end.
#pragma once
#include <span>

#include "gpt2run/precision.hpp"

namespace gpt2run {

// kLogits needs kAnyOrder (core buffers no logits). kLogits and kTimes: no repeat, synchronous phases. kTimes: pass()
// is called. kPrompt: token() also for the prompt's tokens, step = -1. Without kAnyOrder the calls for one sequence
// come between those of its neighbours: 0 whole, then 1 whole.
enum Wants : uint32_t { kLogprob = 1, kLogits = 2, kTimes = 4, kAnyOrder = 8, kPrompt = 16 };

// The words behind token ids.
struct Vocabulary {
  // The token's bytes, which may be a part of a UTF-8 sequence; empty for an id without text. They live as long as the
  // run.
  virtual std::string_view piece(int32_t id) const = 0;

 protected:
  ~Vocabulary() = default;
};

struct TokenEvent {
  uint64_t sequence;
  int32_t step;           // 0 for the first generated token; -1: a token of the prompt
  int32_t position, id;   // position in the sequence, prompt included
  std::string_view text;  // what this token releases: core holds back incomplete UTF-8 and possible stop strings
  float logprob;          // natural log, of the raw logits; NaN unless wanted
  const float*
      logits;  // (vocab) raw; null unless wanted, and for prompt tokens without: the first, and a shared prefix
  int32_t vocab;
  const Vocabulary* vocabulary;  // the text of any token, for alternatives; null without a tokenizer
};

// One forward pass. Its times are those of all slots together: the tokens of a batch share them, and a pass over a
// prompt may choose none.
struct PassEvent {
  int64_t pass;     // 0 for the run's first
  int32_t rows;     // that went through the network
  int32_t sampled;  // tokens chosen
  StepTimes times;
};

// One thread at a time. Calls throw Error (a full disk, a closed pipe): the run ends. Destroyed without end(): leave
// nothing half-written.
struct Sink {
  virtual ~Sink() = default;
  virtual uint32_t wants() const = 0;
  virtual void begin(std::string_view manifest_json) { (void)manifest_json; }
  virtual void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t> tokens) {
    (void)sequence, (void)prompt, (void)tokens;
  }
  virtual void token(const TokenEvent&) = 0;
  virtual void pass(const PassEvent&) {}  // with kTimes, before the tokens of the pass, whatever order those come in
  // tail: text held back until now. reason: "length", "context" (the model's is full), "end_of_text", "stop",
  // "cancelled" or "error".
  virtual void finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
    (void)sequence, (void)tail, (void)reason;
  }
  virtual void end(std::string_view summary_json) {
    (void)summary_json;
  }  // all sequences are done; files become visible here
};

}  // namespace gpt2run
