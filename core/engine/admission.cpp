// How requests get a slot and leave it: cancellation, deadlines, admission, and sharing of prefixes.
#include <algorithm>
#include <cmath>

#include "loop.hpp"

namespace gpt2run {
namespace {

constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

}  // namespace

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
    const auto& live = slots_[slot].live;
    if (live && has_ended(live->id, live->request)) finish(slot, Reason::cancelled);
  }
}

// Gives free slots to waiting requests.
void EngineLoop::admit(RequestId newer) {
  const auto is_free = [&](int slot) { return !slots_[slot].live; };
  const auto accept = [&](const Waiting& one) { return one.id < newer && !is_blocked(one.request); };
  Waiting next;
  for (int slot = 0; slot < limits_.slots; ++slot) {
    while (is_free(slot) && queue_.pop(next, accept)) {
      const Source source = find_prefix(next.request, slot);
      assign(shares_ && source.keep > 0 && is_free(source.slot) ? source.slot : slot, std::move(next));
    }
  }
}

// True while another request of its group is reading the same prompt, which it will then share.
bool EngineLoop::is_blocked(const Request& request) const {
  if (request.group == 0 || options_.recompute) return false;
  return std::ranges::any_of(slots_, [&](const Slot& slot) {
    return slot.live && slot.live->request.group == request.group && !slot.live->is_prefilled() &&
           slot.live->request.wants == request.wants && slot.live->request.tokens == request.tokens;
  });
}

// The slot whose keys and values the request can take over, and how many positions of them.
EngineLoop::Source EngineLoop::find_prefix(const Request& request, int slot) const {
  Source best{slot, 0};
  for (int other = 0; other < limits_.slots && !options_.recompute; ++other)
    if (const int keep = held_prefix(slots_[other], request); keep > best.keep) best = {other, keep};
  return best;
}

// Equal prompts of a group may always share, because they are cut in the same way. Any other common prefix is taken
// over only if prefill and decode give the same bits.
int EngineLoop::held_prefix(const Slot& slot, const Request& request) const {
  if (request.group == 0 && !shares_) return 0;
  const Held& held = slot.held;
  const std::span<const int32_t> tokens = slot.live ? slot.live->tokens : held.tokens;
  const auto prompt = tokens.first(slot.live ? slot.live->prompt() : held.prompt);
  const uint64_t group = slot.live ? slot.live->request.group : held.group;
  const uint32_t wants = slot.live ? slot.live->request.wants : held.wants;
  const int valid = slot.live ? std::min(slot.live->fed, slot.live->known()) : held.valid;
  const int prefix = static_cast<int>(request.tokens.size()) - 1;
  const bool is_equal = request.group != 0 && request.group == group && request.wants == wants;
  if (is_equal && valid >= prefix && std::ranges::equal(prompt, request.tokens)) return prefix;
  if (!shares_ || request.wants & kPrompt) return 0;
  const auto most = tokens.first(std::min(prefix, valid));
  return static_cast<int>(std::mismatch(most.begin(), most.end(), request.tokens.begin()).first - most.begin());
}

void EngineLoop::assign(int slot, Waiting&& waiting) {
  const Source source = find_prefix(waiting.request, slot);
  const std::shared_ptr<const Chain> chain = waiting.request.chain ? waiting.request.chain : chain_;
  const int64_t length = std::ssize(waiting.request.tokens), context = std::min(config_.T, limits_.context);
  const int64_t total = std::min(length + std::min(waiting.request.max_new, context), context + 1);
  slots_[slot].held = {};
  Live& live = slots_[slot].live.emplace(std::move(waiting), chain, total);
  live.fed = source.keep;
  admitted_.push_back(slot);
  runner_.start(slot, {live.request.sequence, live.request.seed, live.prompt(), 0, source.slot, source.keep},
                live.tokens);
  if (live.wants(kPrompt) && live.wants(kLogprob)) runner_.put(slot, live.tokens);
  counts_.prompt_tokens += live.prompt(), counts_.cached_tokens += source.keep;
  listener_.start(live.id);
  if (is_cancelled(live)) return finish(slot, Reason::cancelled);
  if (!configure(live, slot)) return;
  if (live.wants(kPrompt)) echo_shared(slot, source.slot);
  end_if_read(slot);
}

// Returns false if options were refused; the request has then ended.
bool EngineLoop::configure(Live& live, int slot) {
  const std::vector<Sampler*>& samplers = live.chain->samplers;
  try {
    for (size_t i = 0; i < samplers.size(); ++i)
      samplers[i]->configure(slot, live.request.options.empty() ? nullptr : live.request.options[i].get());
  } catch (const Error& error) {
    finish(slot, Reason::error, error.what());
    return false;
  }
  live.request.options.clear();
  return true;
}

// Reports the prompt tokens whose logits were computed before this request came: the first token, which has none, and a
// shared prefix. The log-probability of the token after the prefix is not part of what a slot takes over, so it is
// copied for requests that share from this slot later.
void EngineLoop::echo_shared(int slot, int from) {
  Live& live = *slots_[slot].live;
  std::vector<float> logprobs(live.fed + 1, kUnknown);
  if (live.fed > 0 && live.wants(kLogprob)) {
    const StepRunner::Chosen pieces[] = {{slot, 1, live.fed - 1, nullptr, &logprobs[1], false},
                                         {from, live.fed, 1, nullptr, &logprobs[live.fed], false}};
    runner_.read(pieces);
    if (from != slot) runner_.put_logprob(slot, live.fed, logprobs[live.fed]);
  }
  for (int position = 0; position <= live.fed; ++position) echo(live, position, logprobs[position], nullptr);
}

}  // namespace gpt2run
