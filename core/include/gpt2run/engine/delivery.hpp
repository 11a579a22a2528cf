// Hands events to all sinks, each in the order it asked for: as they come, or sequence after sequence, the lowest
// unfinished one live.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gpt2run/engine/prompt.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// One thread at a time. Errors are those of the sinks.
class Delivery {
 public:
  // Throws Error on a sink that wants logits in sequence order: core buffers no logits.
  explicit Delivery(std::span<Sink* const> sinks);

  uint32_t wants() const { return wants_; }  // of all sinks together

  void begin(std::string_view manifest);
  void start(uint64_t sequence, const Prompt& prompt);
  void pass(const PassEvent& event);    // to those that want times
  void token(const TokenEvent& event);  // the event's pointers need to live during the call only
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason);
  void end(std::string_view summary);

 private:
  struct Kept {  // of a sequence whose turn has not come
    const Prompt* prompt = nullptr;
    struct Token {
      TokenEvent event;
      std::string text;
    };
    std::vector<Token> tokens;
    bool finished = false;
    std::string tail, reason;
  };
  void deliver(uint64_t sequence, const Kept& kept);
  void give(Sink& sink, TokenEvent event, uint32_t wants) const;

  std::vector<Sink*> any_order_, in_order_;
  uint32_t wants_ = 0;
  uint64_t turn_ = 0;  // the lowest unfinished sequence
  std::map<uint64_t, Kept> kept_;
};

}  // namespace gpt2run
