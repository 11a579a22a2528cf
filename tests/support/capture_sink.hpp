// A sink that records everything, and checks the promised order of events.
#pragma once
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gpt2run/sink.hpp"

namespace gpt2run::test {

struct CaptureSink final : Sink {
  explicit CaptureSink(uint32_t wants = 0) : wanted(wants) {}

  struct Sequence {
    std::string prompt, text, tail, reason;
    std::vector<int32_t> prompt_tokens, tokens, steps;
    std::vector<float> logprobs;
    std::vector<float> prompt_logprobs;
    std::vector<std::vector<float>> logits;
    std::vector<std::string> pieces;  // text released by each token
    bool finished = false;
  };

  uint32_t wants() const override { return wanted; }
  void begin(std::string_view manifest) override { calls += "begin " + std::string(manifest) + ";"; }
  void start(uint64_t sequence, std::string_view prompt, std::span<const int32_t> tokens) override {
    Sequence& s = sequences[sequence];
    s.prompt = prompt, s.prompt_tokens.assign(tokens.begin(), tokens.end());
    order.push_back(sequence);
  }
  void token(const TokenEvent& event) override {
    Sequence& s = sequences.at(event.sequence);
    if (s.finished) fail("token after finish");
    if (!(wanted & kAnyOrder) && event.sequence != order.back()) fail("sequence ", event.sequence, " out of turn");
    if (event.vocabulary) {
      vocabulary.clear();
      for (const int32_t id : {30, 39, 1 << 20}) vocabulary.emplace_back(event.vocabulary->piece(id));
    }
    if (event.step < 0) {
      s.prompt_logprobs.push_back(event.logprob);
      return;
    }
    if (event.position != static_cast<int>(s.prompt_tokens.size()) + event.step)
      fail("position ", event.position, " at step ", event.step);
    s.tokens.push_back(event.id), s.steps.push_back(event.step), s.logprobs.push_back(event.logprob);
    s.text += event.text, s.pieces.emplace_back(event.text);
    if (event.logits) s.logits.emplace_back(event.logits, event.logits + event.vocab);
  }
  void step(const StepEvent& event) override { steps.push_back(event); }
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason) override {
    Sequence& s = sequences.at(sequence);
    s.tail = tail, s.text += tail, s.reason = reason, s.finished = true;
  }
  void end(std::string_view summary) override { calls += "end " + std::string(summary); }

  std::vector<std::vector<int32_t>> all_tokens() const {
    std::vector<std::vector<int32_t>> all;
    for (const auto& [sequence, s] : sequences) all.push_back(s.tokens);
    return all;
  }

  uint32_t wanted;
  std::map<uint64_t, Sequence> sequences;
  std::vector<uint64_t> order;  // of the calls of start()
  std::string calls;
  std::vector<StepEvent> steps;
  std::vector<std::string> vocabulary;  // texts of ids 30, 39 and one beyond every vocabulary
};

}  // namespace gpt2run::test
