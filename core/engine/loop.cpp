#include "loop.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

namespace gpt2run {
namespace {

// Ids of chains are unique in the process, because they are part of the keys of recorded graphs, and a session may keep
// those after an engine has gone.
std::atomic<uint64_t> next_chain_id = 1;

}  // namespace

EngineLoop::Sequence::Sequence(Waiting&& waiting, std::shared_ptr<const Chain> own, int64_t total_length)
    : id(waiting.id),
      request(std::move(waiting.request)),
      chain(std::move(own)),
      chain_id(waiting.chain_id),
      tokens(request.tokens),
      total(total_length),
      text(request.stops),
      echo({}) {}

EngineLoop::EngineLoop(Session& session, const ModelConfig& config, const Limits& limits, const EngineOptions& options,
                       std::shared_ptr<const Chain> chain, const Tokenizer* tokenizer, Listener& listener)
    : config_(config),
      limits_(limits),
      options_(options),
      session_(session),
      chain_(std::move(chain)),
      tokenizer_(tokenizer),
      vocabulary_(tokenizer),
      listener_(listener),
      joins_last_token_(session.traits().prefill && !(options.wants & kTimes)),
      shares_(options.reuse && session.traits().batch && session.traits().prefill),
      runner_(session, options.wants),
      queue_(options.most_waiting, options.most_waiting_tokens),
      slots_(limits.slots) {
  const Limits needed = engine_limits(options, limits.slots, limits.context, limits.keep_raw);
  const int32_t part = std::min(chunk(), limits.context), decoding = options.recompute ? 0 : limits.slots - 1;
  if (limits.rows < decoding + part)
    fail("limits: expected ", decoding + part, " rows, a chunk of ", part, " beside ", decoding,
         " decoding slots, found ", limits.rows);
  if (limits.logit_rows < needed.logit_rows)
    fail("limits: expected ", needed.logit_rows, " rows that ask for logits, found ", limits.logit_rows);
  runner_.check(*chain_);
  register_chain(chain_).requests = 1;
}

// Returns the entry of a chain, and makes it if the chain is new. A new chain's samplers are prepared, except for those
// that are part of a known chain already: they hold the options of running requests.
EngineLoop::KnownChain& EngineLoop::register_chain(const std::shared_ptr<const Chain>& chain) {
  if (const auto found = chains_.find(chain.get()); found != chains_.end()) return found->second;
  for (Sampler* sampler : chain->samplers) {
    const bool is_prepared = std::ranges::any_of(chains_, [&](const auto& known) {
      const auto& others = known.first->samplers;
      return std::ranges::find(others, sampler) != others.end();
    });
    if (!is_prepared) runner_.prepare(*sampler, chain->space);
  }
  return chains_[chain.get()] = {chain, next_chain_id++, 0};
}

void EngineLoop::check(const Request& request) const {
  const int64_t length = std::ssize(request.tokens), context = std::min(config_.T, limits_.context);
  if (length == 0) fail("the request has no tokens");
  // The last token is fed only if something is computed from it.
  const bool reads_last = request.max_new > 0 || request.end_logits;
  if (length > config_.T || length - 1 + reads_last > context)
    fail("the request has ", length, " tokens, the context holds ", context);
  if (length > 1 && options_.chunk < 1) fail("the request has ", length, " tokens, this engine takes one");
  for (const int32_t id : request.tokens)
    if (id < 0 || id >= config_.V) fail("token ", id, " is out of range, the vocabulary has ", config_.V);
  if (request.max_new < 0) fail("max_new: expected 0 or more, found ", request.max_new);
  if (request.end_logits && request.max_new != 0) fail("end_logits: expected max_new 0, found ", request.max_new);
  constexpr uint32_t kOfRequests = kLogprob | kLogits | kPrompt;
  if (request.wants & ~(options_.wants & kOfRequests))
    fail("wants: expected a part of ", options_.wants & kOfRequests, ", found ", request.wants);
  for (const std::string& stop : request.stops)
    if (stop.empty()) fail("stops: expected texts, found an empty one");
  if (request.context_shift != 0 && options_.recompute) fail("context_shift: expected 0 with recompute");
  // A request that ends before the context is full never shifts it.
  const bool may_shift = length + std::min<int64_t>(request.max_new, context + 1) > context + 1;
  if (request.context_shift < 0 || (may_shift && request.context_shift >= context))
    fail("context_shift: expected 0 or a number of tokens to keep below ", context, ", found ", request.context_shift);
  if (!request.stops.empty() && !tokenizer_) fail("stops: expected none without a tokenizer");
  const int64_t most_tokens = options_.most_waiting_tokens;
  if (most_tokens > 0 && length > most_tokens)
    fail("the request has ", length, " tokens, prompts of at most ", most_tokens, " may wait");
  const Chain& chain = request.chain ? *request.chain : *chain_;
  runner_.check(chain);
  if (!request.options.empty() && request.options.size() != chain.samplers.size())
    fail("options: expected one for each of ", chain.samplers.size(), " samplers, found ", request.options.size());
  if (chain.changes_logits && (request.wants & (kLogprob | kLogits)) && !limits_.keep_raw)
    fail("the chain changes logits, and the session keeps no raw ones (Limits::keep_raw)");
}

RequestId EngineLoop::submit(Request request) {
  check(request);
  queue_.check_room(std::ssize(request.tokens));
  KnownChain& known = register_chain(request.chain ? request.chain : chain_);
  queue_.push({next_id_, std::move(request), known.id});
  ++known.requests, ++counts_.requests;
  return next_id_++;
}

size_t EngineLoop::running() const {
  return std::ranges::count_if(slots_, [](const Slot& slot) { return slot.sequence.has_value(); });
}

bool EngineLoop::step() {
  if (needs_reset_) fail("the engine has thrown: reset() comes before the next step");
  needs_reset_ = true;
  change_requests();
  shift_full_contexts();
  collect();
  if (!rows_.empty()) {
    const StepPlan what = plan();
    const int times = replays(what);
    if (times > 1) {
      runner_.run_replays(what, times);
      counts_.replayed += times;
    } else {
      runner_.step(what);
    }
    handle_results(times);
  }
  needs_reset_ = false;
  return queue_.size() > 0 || running() > 0;
}

void EngineLoop::reset() {
  queue_.clear(), cancelled_.clear(), admitted_.clear();
  for (Slot& slot : slots_) slot = {};
  chains_.clear();
  register_chain(chain_).requests = 1;
  rows_.clear(), step_rows_.clear(), segments_.clear();
  needs_reset_ = false;
}

bool EngineLoop::tap(Tap* tap) {
  const bool works = session_.tap(tap);
  tapped_ = works && tap;
  return works;
}

// The number of rows with which a slot gets to choose a token: the one row of a decoding slot, or the rest of a prompt
// together with its last token. The rest may be joined to the last token only if the session computes the same bits for
// prefill and decode, and if nobody wants the prompt's rows or separate times of prefill and decode. Otherwise the last
// token is fed by itself, so that requests that share a prefix compute the same rows. Returns 0 if the slot only reads
// its prompt in this step.
int EngineLoop::choice_rows(const Sequence& sequence) const {
  if (sequence.request.max_new == 0) return 0;
  const int left = sequence.known() - sequence.fed;
  if (left == 1) return 1;
  if (options_.recompute) return sequence.wants(kPrompt) && sequence.is_first() ? 0 : std::min(left, chunk());
  return joins_last_token_ && !sequence.wants(kPrompt) && left - 1 <= chunk() ? left : 0;
}

// The slots that choose a token in this step, with their rows. Decoding slots come first, so that no prompt delays
// them; then those that finish a prompt, as far as there is room. Prompts are read in the order of admission: the rows
// of an earlier one that cannot finish yet are reserved. Slots that recompute take turns.
std::vector<EngineLoop::Segment> EngineLoop::choosing_slots() {
  std::vector<Segment> choosing;
  int64_t room = limits_.rows;
  const auto add = [&](int slot, int count) {
    if (count == 0 || count > room) return count == 0;
    const Sequence& sequence = *slots_[slot].sequence;
    choosing.push_back({slot, count, sequence.fed + count == sequence.known() ? Purpose::sample : Purpose::recompute});
    room -= count;
    return true;
  };
  for (int i = 0; i < limits_.slots; ++i) {
    const int slot = (turn_ + i) % limits_.slots;
    if (!slots_[slot].sequence) continue;
    const int count = choice_rows(*slots_[slot].sequence);
    if (!options_.recompute && count != 1) continue;
    if (add(slot, count)) continue;
    turn_ = slot;
    break;
  }
  for (const int slot : admitted_) {
    const Sequence& sequence = *slots_[slot].sequence;
    const int count = choice_rows(sequence), unfinished = prompt_rows(sequence);
    if (options_.recompute || count == 1 || (count > 1 && add(slot, count))) continue;
    if (unfinished <= room) room -= unfinished;
  }
  std::ranges::stable_sort(choosing, {}, [&](const Segment& one) { return slots_[one.slot].sequence->chain_id; });
  return choosing;
}

// The number of rows that a prompt is read by without choosing a token: a whole chunk, what is left before its last
// token, or that last token for end_logits. 0 if nothing is left to read.
int EngineLoop::prompt_rows(const Sequence& sequence) const {
  if (options_.recompute && choice_rows(sequence) > 0) return 0;  // choosing_slots() decides on full passes
  const int before_last = sequence.known() - 1 - sequence.fed;
  if (before_last > 0) return std::min(before_last, chunk());
  return before_last == 0 && sequence.request.end_logits ? 1 : 0;
}

// Collects the rows of the next step. Sampled rows come first, grouped by chain, because a chain takes consecutive rows
// of logits. Whole chunks of prompts follow in the order of admission, as far as the session has rows.
void EngineLoop::collect() {
  rows_.clear(), step_rows_.clear(), segments_.clear(), grouped_.clear();
  sampled_ = logit_rows_ = 0;
  for (const Segment& segment : choosing_slots()) add_choice(segment);
  for (const int slot : admitted_) {
    const auto is_own = [&](const Segment& segment) { return segment.slot == slot; };
    if (std::ranges::none_of(segments_, is_own)) add_prompt_rows(slot);
  }
}

void EngineLoop::add_choice(const Segment& segment) {
  const Sequence& sequence = *slots_[segment.slot].sequence;
  const bool is_given =
      sequence.is_first() || sequence.shifted || options_.recompute || runner_.is_behind_device(*sequence.chain);
  for (int i = 0; i < segment.count; ++i) {
    const bool is_chosen_from = segment.samples() && i + 1 == segment.count;
    rows_.push_back(
        {segment.slot, is_chosen_from && !is_given ? kSampled : sequence.tokens[sequence.fed + i], is_chosen_from});
    step_rows_.push_back(
        {sequence.id, sequence.positions() + i, sequence.base, is_chosen_from, sequence.tokens[sequence.fed + i]});
  }
  segments_.push_back(segment);
  if (!segment.samples()) return;
  ++sampled_, ++logit_rows_;
  if (grouped_.empty() || grouped_.back().id != sequence.chain_id)
    grouped_.push_back({sequence.chain.get(), sequence.chain_id, 0});
  ++grouped_.back().rows;
}

void EngineLoop::add_prompt_rows(int slot) {
  const Sequence& sequence = *slots_[slot].sequence;
  const int count = prompt_rows(sequence);
  if (count == 0) return;
  const bool logits =
      sequence.base == 0 && (sequence.wants_prompt_logits() || sequence.fed + count == sequence.prompt());
  if (count > limits_.rows - std::ssize(rows_) || (logits && count > limits_.logit_rows - logit_rows_)) return;
  for (int i = 0; i < count; ++i) {
    rows_.push_back({slot, sequence.tokens[sequence.fed + i], logits});
    step_rows_.push_back(
        {sequence.id, sequence.positions() + i, sequence.base, logits, sequence.tokens[sequence.fed + i]});
  }
  segments_.push_back({slot, count, Purpose::prompt});
  logit_rows_ += logits ? count : 0;
}

StepPlan EngineLoop::plan() const {
  StepPlan plan{rows_, grouped_, false, false};
  for (const Segment& segment : segments_) {
    const Sequence& sequence = *slots_[segment.slot].sequence;
    plan.scored |= sequence.wants(kLogprob);
    plan.wants_logits |= sequence.wants(kLogits);
  }
  return plan;
}

// The number of times that the step may be replayed before its results are read.
int EngineLoop::replays(const StepPlan& plan) const {
  if (tapped_ || !runner_.can_replay(plan)) return 1;
  int64_t longest = 0, room = limits_.context;
  for (const Row& row : rows_) {
    const Sequence& sequence = *slots_[row.slot].sequence;
    longest = std::max<int64_t>(longest, sequence.total - sequence.known());
    room = std::min<int64_t>(room, limits_.context - sequence.positions());
  }
  return static_cast<int>(std::min({longest, room, int64_t{std::max(options_.replay, 1)}}));
}

void EngineLoop::handle_results(int times) {
  if (const StepTimes* spent = runner_.times())
    listener_.step({counts_.steps, static_cast<int32_t>(rows_.size()), sampled_, *spent});
  counts_.steps += times;
  counts_.rows += std::ssize(rows_) * times;
  read_results(times);
  int logit_row = 0;
  size_t result = 0, row = 0;
  // Listeners may submit and cancel requests meanwhile; that does not change this step's segments.
  for (const Segment& segment : segments_) {
    Sequence& sequence = *slots_[segment.slot].sequence;
    const bool has_logits = rows_[row].logits;
    row += segment.count;
    if (segment.samples()) {
      sequence.fed += segment.count - 1 + times, sequence.shifted = false;
      consume(segment.slot, times, logit_row++, result);
      result += times;
    } else if (segment.purpose == Purpose::recompute) {
      sequence.fed += segment.count;
      result += segment.count;
    } else {
      advance_prompt(segment, has_logits ? logit_row : -1, result);
      logit_row += has_logits ? segment.count : 0, result += segment.count;
    }
  }
}

// Reads the chosen tokens and the log-probabilities of all segments, with a single wait.
void EngineLoop::read_results(int times) {
  size_t count = 0;
  for (const Segment& segment : segments_) count += segment.samples() ? times : segment.count;
  tokens_.assign(count, kNone), logprobs_.assign(count, kUnknown);
  pieces_.clear();
  size_t result = 0;
  for (const Segment& segment : segments_) {
    const Sequence& sequence = *slots_[segment.slot].sequence;
    float* logprobs = sequence.wants(kLogprob) ? &logprobs_[result] : nullptr;
    if (segment.samples()) {
      pieces_.push_back({segment.slot, sequence.known() - sequence.base, times, &tokens_[result], logprobs,
                         runner_.is_behind_device(*sequence.chain)});
      result += times;
      continue;
    }
    const bool is_prompt = segment.purpose == Purpose::prompt && sequence.base == 0;
    if (is_prompt && logprobs && sequence.wants(kPrompt) && sequence.fed + segment.count < sequence.prompt())
      pieces_.push_back({segment.slot, sequence.fed + 1, segment.count, nullptr, logprobs, false});
    result += segment.count;
  }
  runner_.read(pieces_);
}

// Moves a prompt forward by the rows that were fed. logit_row: index of their first row of logits, or -1 if they have
// none. result: index of their first result.
void EngineLoop::advance_prompt(const Segment& segment, int logit_row, size_t result) {
  Sequence& sequence = *slots_[segment.slot].sequence;
  for (int i = 0; i < segment.count; ++i) {
    ++sequence.fed;
    if (sequence.base > 0) continue;  // tokens that have been reported
    if (sequence.fed == sequence.prompt()) {
      if (!is_cancelled(sequence)) listener_.end_logits(sequence.id, runner_.read_logits(logit_row));
    } else if (sequence.wants(kPrompt)) {
      echo(sequence, sequence.fed, logprobs_[result + i], logit_row < 0 ? nullptr : runner_.logits(logit_row + i));
    }
  }
  end_if_read(segment.slot);
}

// Ends a request that chooses no token once its prompt has been read.
void EngineLoop::end_if_read(int slot) {
  const Sequence& sequence = *slots_[slot].sequence;
  if (sequence.request.max_new == 0 && sequence.is_prefilled() && !is_cancelled(sequence)) finish(slot, Reason::length);
}

// Accepts `count` chosen tokens of a slot. Tokens computed after the end of the request are dropped.
void EngineLoop::consume(int slot, int count, int logit_row, size_t result) {
  for (int i = 0; i < count; ++i)
    if (!accept(slot, tokens_[result + i], logprobs_[result + i], logit_row)) return;
}

// Why a chain has chosen nothing, by the row that it chose from: as the model computed it, or as the chain left it.
std::string EngineLoop::why_no_token(const Chain& chain, int logit_row) {
  const float* logits = runner_.read_logits(logit_row);
  const bool has_nan = std::any_of(logits, logits + config_.V, [](float logit) { return std::isnan(logit); });
  if (has_nan) return "the logits hold NaN";
  const std::string all = chain.names.empty() ? "samplers" : "sampler chain " + chain.names;
  const std::string one = runner_.who_left_none(chain, logit_row);
  if (one.empty()) return "the " + all + (chain.names.empty() ? " have" : " has") + " left none: every logit is -inf";
  return "the sampler " + one + " of the chain " + chain.names + " has left none: every logit is -inf";
}

// Appends one chosen token to a request. Returns false if the request has ended, or if a listener cancelled it.
bool EngineLoop::accept(int slot, int32_t id, float logprob, int logit_row) {
  Sequence& sequence = *slots_[slot].sequence;
  if (is_cancelled(sequence)) return false;
  const auto fault = [&](const auto&... parts) {
    std::ostringstream line;
    line << "sequence " << sequence.request.sequence << ", position " << sequence.known() << ": ";
    (line << ... << parts);
    finish(slot, Reason::error, line.str());
    return false;
  };
  if (id == kNone) return fault("no token can be chosen, ", why_no_token(*sequence.chain, logit_row));
  if (id < 0 || id >= config_.V)
    return fault("sampler", sequence.chain->names.empty() ? "" : " ", sequence.chain->names,
                 ": expected a token in [0, ", config_.V, "), found ", id);
  ++counts_.new_tokens;
  const bool ends = !sequence.request.ignore_eos && ends_text(config_, id);
  const std::string text = ends ? std::string() : sequence.text.push(vocabulary_.piece(id));
  const float* wanted = sequence.wants(kLogits) ? runner_.logits(logit_row) : nullptr;
  const int32_t position = sequence.known();
  sequence.tokens.push_back(id);
  listener_.token(sequence.id, {sequence.request.sequence, position - sequence.prompt(), position, id, text, logprob,
                                wanted, config_.V, vocabulary_.pointer()});
  if (is_cancelled(sequence)) return false;  // by the listener: the next step ends it
  const bool is_long = sequence.known() >= sequence.total;
  const bool by_request = sequence.known() - sequence.prompt() >= sequence.request.max_new;
  if (ends) return finish(slot, Reason::end_of_text), false;
  if (sequence.text.stopped()) return finish(slot, Reason::stop), false;
  if (is_long) return finish(slot, by_request ? Reason::length : Reason::context), false;
  if (options_.recompute) {
    runner_.start(slot, {sequence.request.sequence, sequence.request.seed, sequence.prompt(), 0, slot, 0},
                  sequence.tokens);
    sequence.fed = 0;
  }
  return true;
}

void EngineLoop::echo(Sequence& sequence, int position, float logprob, const float* logits) {
  const int32_t id = sequence.request.tokens[position];
  std::string text = sequence.echo.push(vocabulary_.piece(id));
  if (position + 1 == sequence.prompt()) text += sequence.echo.take_tail();
  const float* wanted = sequence.wants(kLogits) ? logits : nullptr;
  if (is_cancelled(sequence)) return;
  listener_.token(sequence.id, {sequence.request.sequence, -1, position, id, text, logprob, wanted, config_.V,
                                vocabulary_.pointer()});
}

void EngineLoop::finish(int slot, Reason reason, std::string_view error) {
  Sequence sequence = std::move(*slots_[slot].sequence);
  release(slot);
  const int prompt = sequence.held_prompt(), valid = sequence.held_valid();
  sequence.tokens.erase(sequence.tokens.begin(), sequence.tokens.begin() + sequence.base);
  const Request& request = sequence.request;
  slots_[slot].cached = {std::move(sequence.tokens), prompt, valid, request.group, request.wants, ++ended_};
  if (--chains_[sequence.chain.get()].requests == 0) chains_.erase(sequence.chain.get());
  listener_.finish(sequence.id, reason, sequence.text.take_tail(), error);
}

void EngineLoop::release(int slot) {
  slots_[slot].sequence.reset();
  std::erase(admitted_, slot);
}

}  // namespace gpt2run
