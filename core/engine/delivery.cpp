#include "gpt2run/engine/delivery.hpp"

#include <limits>

namespace gpt2run {

Delivery::Delivery(std::span<Sink* const> sinks) {
  for (Sink* sink : sinks) {
    const uint32_t wants = sink->wants();
    if ((wants & kLogits) && !(wants & kAnyOrder)) fail("a sink that wants logits must take sequences in any order");
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
  if (sequence != turn_) {
    kept_[sequence].prompt = &prompt;
    return;
  }
  for (Sink* sink : in_order_) sink->start(sequence, prompt.text, prompt.tokens);
}

void Delivery::give(Sink& sink, TokenEvent event, uint32_t wants) const {
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
  for (Sink* sink : any_order_) give(*sink, event, sink->wants());
  if (in_order_.empty()) return;
  if (event.sequence == turn_) {
    for (Sink* sink : in_order_) give(*sink, event, sink->wants());
    return;
  }
  Kept::Token token{event, std::string(event.text)};
  token.event.logits = nullptr;
  kept_[event.sequence].tokens.push_back(std::move(token));
}

void Delivery::finish(uint64_t sequence, std::string_view tail, std::string_view reason) {
  for (Sink* sink : any_order_) sink->finish(sequence, tail, reason);
  if (in_order_.empty()) return;
  if (sequence != turn_) {
    Kept& kept = kept_[sequence];
    kept.finished = true, kept.tail = tail, kept.reason = reason;
    return;
  }
  for (Sink* sink : in_order_) sink->finish(sequence, tail, reason);
  ++turn_;
  while (kept_.contains(turn_)) {
    const Kept kept = std::move(kept_.extract(turn_).mapped());
    deliver(turn_, kept);
    if (!kept.finished) break;
    ++turn_;
  }
}

void Delivery::deliver(uint64_t sequence, const Kept& kept) {
  for (Sink* sink : in_order_) {
    const uint32_t wants = sink->wants();
    sink->start(sequence, kept.prompt->text, kept.prompt->tokens);
    for (const Kept::Token& token : kept.tokens) {
      TokenEvent event = token.event;
      event.text = token.text;
      give(*sink, event, wants);
    }
    if (kept.finished) sink->finish(sequence, kept.tail, kept.reason);
  }
}

void Delivery::end(std::string_view summary) {
  for (Sink* sink : any_order_) sink->end(summary);
  for (Sink* sink : in_order_) sink->end(summary);
}

}  // namespace gpt2run
