// Delivery: passes the engine's events on to all sinks, each in the order that it asked for. A sink gets events either
// as they happen, or one whole sequence after another. In the second case the lowest unfinished sequence is passed on
// live, and the events of later ones are kept until their turn.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "gpt2run/engine/prompt.hpp"
#include "gpt2run/sink.hpp"

namespace gpt2run {

// One thread at a time. Throws what the sinks throw.
class Delivery {
 public:
  // Throws Error for a sink that wants logits or taps in sequence order, because neither are buffered.
  explicit Delivery(std::span<Sink* const> sinks);

  uint32_t wants() const { return wants_; }  // the union of what all sinks want

  void begin(std::string_view manifest);
  void start(uint64_t sequence, const Prompt& prompt);
  void step(const StepEvent& event);    // only to sinks that want times
  void token(const TokenEvent& event);  // the event's pointers must be valid during the call only
  void finish(uint64_t sequence, std::string_view tail, std::string_view reason);
  // Asks the sinks with kTaps whether they want an operation. Returns true if one does, and gets its tensors.
  bool taps(const char* op);
  void tensor(const TensorEvent& event);
  void end(std::string_view summary);

 private:
  // The events of a sequence whose turn has not come.
  struct BufferedSequence {
    const Prompt* prompt = nullptr;
    struct Token {
      TokenEvent event;
      std::string text;
    };
    std::vector<Token> tokens;
    bool finished = false;
    std::string tail, reason;
  };
  void deliver(uint64_t sequence, const BufferedSequence& buffered);
  void send(Sink& sink, TokenEvent event, uint32_t wants) const;

  std::vector<Sink*> any_order_, in_order_;
  std::map<std::string, std::vector<Sink*>, std::less<>> tapping_;  // the sinks that want an operation
  uint32_t wants_ = 0;
  uint64_t next_in_order_ = 0;  // the lowest unfinished sequence
  std::map<uint64_t, BufferedSequence> buffered_;
};

}  // namespace gpt2run
