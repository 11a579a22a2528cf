#include "gpt2run/engine/delivery.hpp"

#include <limits>

namespace gpt2run {

Delivery::Delivery(std::span<Sink* const> sinks) {
  for (Sink* sink : sinks) {
    const uint32_t wants = sink->wants();
    if ((wants & kLogits) && !(wants & kAnyOrder)) fail("a sink that wants logits must take sequences in any order");
    if ((wants & kTaps) && !(wants & kAnyOrder)) fail("a sink that wants taps must take sequences in any order");
    (wants & kAnyOrder ? any_order_ : in_order_).push_back(sink);
    wants_ |= wants;
  }
}

void Delivery::begin(std::string_view manifest) {
  for (Sink* sink : any_order_) sink->begin(manifest);
  for (Sink* sink : in_order_) sink->begin(manifest);
}

void Delivery::start(uint64_t sequence, const Prompt& prompt) {
  for (Sink* sink : any_order_) sink->start(sequence, prompt.text, prompt.tokens);
  if (in_order_.empty()) return;
  if (sequence != next_in_order_) {
    buffered_[sequence].prompt = &prompt;
    return;
  }
  for (Sink* sink : in_order_) sink->start(sequence, prompt.text, prompt.tokens);
}

void Delivery::send(Sink& sink, TokenEvent event, uint32_t wants) const {
  if (event.step < 0 && !(wants & kPrompt)) return;
  if (!(wants & kLogprob)) event.logprob = std::numeric_limits<float>::quiet_NaN();
  if (!(wants & kLogits)) event.logits = nullptr;
  sink.token(event);
}

void Delivery::step(const StepEvent& event) {
  for (const auto* sinks : {&any_order_, &in_order_}) {
    for (Sink* sink : *sinks)
      if (sink->wants() & kTimes) sink->step(event);
  }
}

void Delivery::token(const TokenEvent& event) {
  for (Sink* sink : any_order_) send(*sink, event, sink->wants());
  if (in_order_.empty()) return;
  if (event.sequence == next_in_order_) {
    for (Sink* sink : in_order_) send(*sink, event, sink->wants());
    return;
  }
  BufferedSequence::Token token{event, std::string(event.text)};
  token.event.logits = nullptr;
  buffered_[event.sequence].tokens.push_back(std::move(token));
}

void Delivery::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  for (Sink* sink : any_order_) sink->finish(sequence, tail, reason);
  if (in_order_.empty()) return;
  if (sequence != next_in_order_) {
    BufferedSequence& buffered = buffered_[sequence];
    buffered.finished = true, buffered.tail = tail, buffered.reason = reason;
    return;
  }
  for (Sink* sink : in_order_) sink->finish(sequence, tail, reason);
  ++next_in_order_;
  while (buffered_.contains(next_in_order_)) {
    const BufferedSequence buffered = std::move(buffered_.extract(next_in_order_).mapped());
    deliver(next_in_order_, buffered);
    if (!buffered.finished) break;
    ++next_in_order_;
  }
}

void Delivery::deliver(uint64_t sequence, const BufferedSequence& buffered) {
  for (Sink* sink : in_order_) {
    const uint32_t wants = sink->wants();
    sink->start(sequence, buffered.prompt->text, buffered.prompt->tokens);
    for (const BufferedSequence::Token& token : buffered.tokens) {
      TokenEvent event = token.event;
      event.text = token.text;
      send(*sink, event, wants);
    }
    if (buffered.finished) sink->finish(sequence, buffered.tail, buffered.reason);
  }
}

bool Delivery::taps(const char* op) {
  std::vector<Sink*>& sinks = tapping_[op];
  sinks.clear();
  for (Sink* sink : any_order_)
    if ((sink->wants() & kTaps) && sink->taps(op)) sinks.push_back(sink);
  return !sinks.empty();
}

void Delivery::tensor(const TensorEvent& event) {
  const auto sinks = tapping_.find(std::string_view(event.op));
  if (sinks == tapping_.end()) return;
  for (Sink* sink : sinks->second) sink->tensor(event);
}

void Delivery::end(std::string_view summary) {
  for (Sink* sink : any_order_) sink->end(summary);
  for (Sink* sink : in_order_) sink->end(summary);
}

}  // namespace gpt2run
