// How requests get a slot and leave it: cancellation, deadlines, admission, and sharing of prefixes.
#include <algorithm>
#include <cmath>

#include "loop.hpp"

namespace gpt2run {

// Ends and admits requests before a forward pass. A request that a listener cancels meanwhile is ended too. A request
// that a listener submits meanwhile waits for the next step, so that this loop ends.
void EngineLoop::change_requests() {
  const RequestId newer = next_id_;
  do {
    drop_ended(newer);
    admit(newer);
  } while (!cancelled_.empty() && *cancelled_.begin() < newer);
}

// Ends requests that were cancelled or have passed their deadline.
void EngineLoop::drop_ended(RequestId newer) {
  const auto now = std::chrono::steady_clock::now();
  const auto first_newer = cancelled_.lower_bound(newer);
  const std::set<RequestId> cancelled(cancelled_.begin(), first_newer);
  cancelled_.erase(cancelled_.begin(), first_newer);
  const auto has_ended = [&](RequestId id, const Request& request) {
    return id < newer && (cancelled.contains(id) || request.deadline <= now);
  };
  for (const Waiting& gone : queue_.take([&](const Waiting& one) { return has_ended(one.id, one.request); })) {
    const Chain* chain = gone.request.chain ? gone.request.chain.get() : chain_.get();
    if (--chains_[chain].requests == 0) chains_.erase(chain);
    listener_.finish(gone.id, Reason::cancelled, {}, {});
  }
  for (int slot = 0; slot < limits_.slots; ++slot) {
    const auto& sequence = slots_[slot].sequence;
    if (sequence && has_ended(sequence->id, sequence->request)) finish(slot, Reason::cancelled);
  }
}

// Gives free slots to waiting requests.
void EngineLoop::admit(RequestId newer) {
  const auto accept = [&](const Waiting& one) { return one.id < newer && !waits_for_prompt(one.request); };
  Waiting next;
  for (int slot = free_slot(); slot >= 0 && queue_.pop(next, accept); slot = free_slot()) {
    Source source = find_prefix(next.request);
    if (source.keep == 0) source.slot = slot;
    if (shares_ && !slots_[source.slot].sequence) slot = source.slot;
    assign(slot, source, std::move(next));
  }
}

// The free slot whose tokens are most likely useless to later requests: one that holds none, or else the one whose
// request ended first. -1 if no slot is free.
int EngineLoop::free_slot() const {
  int best = -1;
  for (int slot = 0; slot < limits_.slots; ++slot) {
    if (slots_[slot].sequence) continue;
    if (best < 0 || (shares_ && slots_[slot].cached.ended < slots_[best].cached.ended)) best = slot;
  }
  return best;
}

// Makes room in slots whose context is full while their request goes on. The last tokens are read again from position
// 0, because positions are learned. Draws count on.
void EngineLoop::shift_full_contexts() {
  for (int slot = 0; slot < limits_.slots; ++slot) {
    auto& sequence = slots_[slot].sequence;
    if (!sequence || sequence->request.context_shift == 0 || sequence->positions() < limits_.context) continue;
    sequence->base = sequence->known() - sequence->request.context_shift;
    sequence->fed = sequence->base, sequence->shifted = true;
    runner_.start(slot,
                  {sequence->request.sequence, sequence->request.seed, sequence->prompt() - sequence->base,
                   sequence->base, slot, 0},
                  sequence->held());
  }
}

// True while another request of its group is reading the same prompt, which it will then share.
bool EngineLoop::waits_for_prompt(const Request& request) const {
  if (request.group == 0 || options_.recompute) return false;
  return std::ranges::any_of(slots_, [&](const Slot& slot) {
    return slot.sequence && slot.sequence->request.group == request.group && !slot.sequence->is_prefilled() &&
           slot.sequence->request.wants == request.wants && slot.sequence->request.tokens == request.tokens;
  });
}

// The slot whose keys and values the request can take over, and how many positions of them, possibly 0.
EngineLoop::Source EngineLoop::find_prefix(const Request& request) const {
  Source best{0, 0};
  for (int other = 0; other < limits_.slots && !options_.recompute; ++other)
    if (const int keep = shared_prefix(slots_[other], request); keep > best.keep) best = {other, keep};
  return best;
}

// Equal prompts of a group may always share, because they are cut in the same way. Any other common prefix is taken
// over only if prefill and decode give the same bits.
int EngineLoop::shared_prefix(const Slot& slot, const Request& request) const {
  if (request.group == 0 && !shares_) return 0;
  const CachedPrefix& cached = slot.cached;
  const std::span<const int32_t> tokens = slot.sequence ? slot.sequence->held() : cached.tokens;
  const auto prompt = tokens.first(slot.sequence ? slot.sequence->held_prompt() : cached.prompt);
  const uint64_t group = slot.sequence ? slot.sequence->request.group : cached.group;
  const uint32_t wants = slot.sequence ? slot.sequence->request.wants : cached.wants;
  const int valid = slot.sequence ? slot.sequence->held_valid() : cached.valid;
  const int prefix = static_cast<int>(request.tokens.size()) - 1;
  const bool is_equal = request.group != 0 && request.group == group && request.wants == wants;
  if (is_equal && valid >= prefix && std::ranges::equal(prompt, request.tokens)) return prefix;
  if (!shares_ || request.wants & kPrompt) return 0;
  const auto most = tokens.first(std::min(prefix, valid));
  return static_cast<int>(std::mismatch(most.begin(), most.end(), request.tokens.begin()).first - most.begin());
}

void EngineLoop::assign(int slot, const Source& source, Waiting&& waiting) {
  const std::shared_ptr<const Chain> chain = waiting.request.chain ? waiting.request.chain : chain_;
  const int64_t length = std::ssize(waiting.request.tokens), context = std::min(config_.T, limits_.context);
  int64_t total = std::min(length + std::min(waiting.request.max_new, context), context + 1);
  if (waiting.request.context_shift > 0)
    total = length + std::min<int64_t>(waiting.request.max_new, INT32_MAX - length);
  slots_[slot].cached = {};
  Sequence& sequence = slots_[slot].sequence.emplace(std::move(waiting), chain, total);
  sequence.fed = source.keep;
  admitted_.push_back(slot);
  runner_.start(slot,
                {sequence.request.sequence, sequence.request.seed, sequence.prompt(), 0, source.slot, source.keep},
                sequence.tokens);
  if (sequence.wants(kPrompt) && sequence.wants(kLogprob)) runner_.write_prompt(slot, sequence.tokens);
  counts_.prompt_tokens += sequence.prompt(), counts_.cached_tokens += source.keep;
  listener_.start(sequence.id);
  if (is_cancelled(sequence)) return finish(slot, Reason::cancelled);
  if (!configure(sequence, slot)) return;
  if (sequence.wants(kPrompt)) echo_shared(slot, source.slot);
  end_if_read(slot);
}

// Returns false if options were refused; the request has then ended.
bool EngineLoop::configure(Sequence& sequence, int slot) {
  const std::vector<Sampler*>& samplers = sequence.chain->samplers;
  try {
    for (size_t i = 0; i < samplers.size(); ++i)
      samplers[i]->configure(slot, sequence.request.options.empty() ? nullptr : sequence.request.options[i].get());
  } catch (const Error& error) {
    finish(slot, Reason::error, error.what());
    return false;
  }
  sequence.request.options.clear();
  return true;
}

// Reports the prompt tokens whose logits were computed before this request came: the first token, which has none, and a
// shared prefix. The log-probability of the token after the prefix is not part of what a slot takes over, so it is
// copied for requests that share from this slot later.
void EngineLoop::echo_shared(int slot, int from) {
  Sequence& sequence = *slots_[slot].sequence;
  std::vector<float> logprobs(sequence.fed + 1, kUnknown);
  if (sequence.fed > 0 && sequence.wants(kLogprob)) {
    const StepRunner::ResultPiece pieces[] = {{slot, 1, sequence.fed - 1, nullptr, &logprobs[1], false},
                                              {from, sequence.fed, 1, nullptr, &logprobs[sequence.fed], false}};
    runner_.read(pieces);
    if (from != slot) runner_.write_logprob(slot, sequence.fed, logprobs[sequence.fed]);
  }
  for (int position = 0; position <= sequence.fed; ++position) echo(sequence, position, logprobs[position], nullptr);
}

}  // namespace gpt2run
