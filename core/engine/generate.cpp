#include "gpt2run/engine/generate.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

#include "gpt2run/engine/delivery.hpp"
#include "text_release.hpp"
#include "token_path.hpp"

namespace gpt2run {
namespace {

// Prompt rows ask for logits: somebody wants to see the prompt's tokens with what only logits tell.
bool prompt_logits(uint32_t wants) { return (wants & kPrompt) && (wants & (kLogprob | kLogits)); }

// Rows of a step that recomputes, unless one pass alone has more: enough to keep any machine busy, and bounded memory.
constexpr int64_t kRecomputedRows = 4096;

// Tokens of a whole sequence, prompt included, as asked for and as far as the context reaches.
int64_t total_length(const ModelConfig& config, const Prompt& prompt, const Generation& generation) {
  const int64_t length = std::ssize(prompt.tokens);
  const int64_t asked = generation.max_new >= 0 ? length + generation.max_new : generation.n_gen;
  return std::min<int64_t>(asked, int64_t(config.T) + 1);
}

void check_prompt(const ModelConfig& config, const Prompt& prompt, const Generation& generation, size_t index) {
  const size_t length = prompt.tokens.size();
  const std::string name =
      "prompt " + std::to_string(index) + (prompt.origin.empty() ? "" : " (" + prompt.origin + ")");
  if (length == 0) fail(name, " is empty");
  if (std::ssize(prompt.tokens) > config.T) {
    fail(name, " has ", length, " tokens, the model's context holds ", config.T);
  }
  if (total_length(config, prompt, generation) < std::ssize(prompt.tokens) + (generation.max_new < 0)) {
    fail(name, " has ", length, " tokens, a total length of ", generation.n_gen, " leaves no room for a new one");
  }
  for (const int32_t id : prompt.tokens) {
    if (id < 0 || id >= config.V) fail(name, ": token ", id, " is out of range, the vocabulary has ", config.V);
  }
}

// How many prompts are this rank's.
int64_t own_prompts(std::span<const Prompt> prompts, const Generation& generation) {
  return (std::ssize(prompts) - generation.rank + generation.ranks - 1) / generation.ranks;
}

class Run final {
 public:
  Run(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
      const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation)
      : config_(config),
        tokenizer_(tokenizer),
        words_(tokenizer),
        prompts_(prompts),
        generation_(generation),
        samplers_(chain.names),
        limits_(plan_limits(config, prompts, generation, sinks, chain)),
        sinks_(sinks),
        path_(session, chain, limits_.slots, sinks_.wants()),
        slots_(limits_.slots),
        next_(uint64_t(generation.rank) * generation.samples) {
    summary_.sequences = own_prompts(prompts, generation) * generation.samples;
    summary_.open_seconds = generation.open_seconds;
    prefix_ends_.assign(prompts.size(), std::numeric_limits<float>::quiet_NaN());
    buffer_.resize(std::max(1, generation.repeat)), logprobs_.resize(buffer_.size());
  }

  Summary operator()(std::string_view manifest, const std::function<void(int64_t, int64_t)>& progress) {
    sinks_.begin(manifest);
    for (refill(); live(); refill()) {
      pass();
      if (progress) progress(done_, summary_.sequences);
    }
    summary_.seconds = elapsed();
    sinks_.end(summary_.to_json());
    return summary_;
  }

 private:
  struct Live {
    uint64_t sequence;
    const Prompt* prompt;
    int fed;                      // positions that went through the network
    std::vector<int32_t> tokens;  // so far, the chosen ones included
    int64_t total;                // tokens to reach
    TextRelease text, echo;
    int known() const { return static_cast<int>(tokens.size()); }
    bool first() const { return tokens.size() == prompt->tokens.size(); }  // nothing is chosen yet
    bool prefilled() const { return fed >= std::ssize(prompt->tokens) - 1; }
  };
  // The rows of one slot in a step.
  struct Part {
    int slot, count;
    bool sampled;  // the last one goes through the chain
  };
  struct Slot {
    std::optional<Live> live;
    // Whose tokens but for the last one are in the KV cache, even after the sequence's end.
    const Prompt* holds = nullptr;
  };

  bool live() const {
    return std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.live.has_value(); });
  }
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }

  void refill();
  bool assign(int slot);
  void echo_known(int slot);
  void collect();
  bool ends_in_choice(const Live& live) const;
  bool add_choice(int slot);
  void add_prompt_rows(int slot);
  void pass();
  void advance(const Part& part, std::span<const Row> rows, int logit_row);
  int repeatable() const;
  void consume(int slot, int count, int row);
  bool accept(int slot, int32_t id, float logprob, const float* logits);
  void echo(int slot, int position, float logprob, const float* logits);
  void finish(int slot, std::string_view reason);

  const ModelConfig& config_;
  const Tokenizer* tokenizer_;
  TokenizerWords words_;
  std::span<const Prompt> prompts_;
  const Generation& generation_;
  const std::string samplers_;
  Limits limits_;
  Delivery sinks_;
  TokenPath path_;
  std::vector<Slot> slots_;
  uint64_t next_;  // sequence that waits for a slot
  int64_t done_ = 0;
  // Of each prompt: the log-probability of its last token, which no shared prefix holds.
  std::vector<float> prefix_ends_;
  std::vector<Row> rows_;        // of the next step: sampled ones first, then prompts
  std::vector<Part> parts_;      // of rows_, in their order
  int sampled_ = 0;              // how many of them go through the chain
  int logit_rows_ = 0;           // how many of them ask for logits
  int turn_ = 0;                 // slot that recomputes first
  std::vector<int32_t> buffer_;  // tokens of one slot and repeat
  std::vector<float> logprobs_;
  Summary summary_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Gives free slots the next sequences, in order.
void Run::refill() {
  for (int slot = 0; slot < limits_.slots; ++slot) {
    while (!slots_[slot].live && next_ < prompts_.size() * generation_.samples) {
      if (!assign(slot)) return;
    }
  }
}

// False: the sequence waits for a neighbour that is just prefilling the same prompt.
bool Run::assign(int slot) {
  const Prompt& prompt = prompts_[next_ / generation_.samples];
  const int prefix = static_cast<int>(prompt.tokens.size()) - 1;
  int from = slot, keep = 0;
  for (int other = 0; other < limits_.slots && !generation_.recompute; ++other) {
    if (slots_[other].live && slots_[other].live->prompt == &prompt && !slots_[other].live->prefilled()) return false;
    if (slots_[other].holds == &prompt) from = other, keep = prefix;
  }
  path_.start(slot, next_, from, keep);
  path_.put(slot, prompt.tokens);
  const int64_t total = total_length(config_, prompt, generation_);
  slots_[slot].live.emplace(
      Live{next_, &prompt, keep, prompt.tokens, total, TextRelease(generation_.stops), TextRelease({})});
  slots_[slot].holds = keep == prefix ? &prompt : nullptr;
  summary_.prompt_tokens += prefix + 1;
  sinks_.start(next_, prompt);
  // After the last sample come those of the next prompt of this rank.
  if (++next_ % generation_.samples == 0) next_ += uint64_t(generation_.ranks - 1) * generation_.samples;
  echo_known(slot);
  if (total == prefix + 1 && slots_[slot].live->prefilled()) finish(slot, "length");
  return true;
}

// Prompt tokens whose logits were computed before this sequence came: the first one, which has none, and a shared
// prefix.
void Run::echo_known(int slot) {
  if (!(sinks_.wants() & kPrompt)) return;
  const Live& live = *slots_[slot].live;
  echo(slot, 0, std::numeric_limits<float>::quiet_NaN(), nullptr);
  for (int position = 1; position <= live.fed; ++position) {
    float logprob = std::numeric_limits<float>::quiet_NaN();
    if (position == live.fed) {
      logprob = prefix_ends_[live.prompt - prompts_.data()];
    } else if (sinks_.wants() & kLogprob) {
      path_.read_logprobs(slot, position, {&logprob, 1});
    }
    echo(slot, position, logprob, nullptr);
  }
}

// Its next rows lead to a choice: all of its last pass when that is recomputed, else only the last token's. While a
// prompt is echoed, or when nothing is to be made, its rows go by themselves.
bool Run::ends_in_choice(const Live& live) const {
  if (!generation_.recompute) return live.prefilled();
  if (!live.first()) return true;
  return live.total > live.known() && (!(sinks_.wants() & kPrompt) || live.prefilled());
}

// Rows of the next step: those of slots that choose a token, which come first because a chain takes the first logits,
// then whole chunks of prompts as far as the session's rows reach. A cut depends on nothing but the sequence.
void Run::collect() {
  rows_.clear(), parts_.clear();
  sampled_ = logit_rows_ = 0;
  for (int i = 0, first = turn_; i < limits_.slots; ++i) {
    const int slot = (first + i) % limits_.slots;
    if (!slots_[slot].live || !ends_in_choice(*slots_[slot].live) || add_choice(slot)) continue;
    turn_ = slot;
    break;
  }
  for (int slot = 0; slot < limits_.slots; ++slot) {
    if (slots_[slot].live && !ends_in_choice(*slots_[slot].live)) add_prompt_rows(slot);
  }
}

// False: there is no room left in this step.
bool Run::add_choice(int slot) {
  const Live& live = *slots_[slot].live;
  const int left = live.known() - live.fed, count = std::min(left, generation_.chunk);
  if (count > limits_.rows - std::ssize(rows_)) return false;
  for (int i = 0; i + 1 < count; ++i) rows_.push_back({slot, live.tokens[live.fed + i], false});
  const bool sampled = count == left, is_given = live.first() || generation_.recompute;
  rows_.push_back({slot, is_given ? live.tokens[live.fed + count - 1] : kSampled, sampled});
  parts_.push_back({slot, count, sampled});
  sampled_ += sampled, logit_rows_ += sampled;
  return true;
}

void Run::add_prompt_rows(int slot) {
  const Live& live = *slots_[slot].live;
  const int left = static_cast<int>(live.prompt->tokens.size()) - 1 - live.fed;
  const int count = std::min(left, generation_.chunk);
  const bool logits = prompt_logits(sinks_.wants());
  if (count > limits_.rows - std::ssize(rows_) || (logits && count > limits_.logit_rows - logit_rows_)) return;
  for (int i = 0; i < count; ++i) rows_.push_back({slot, live.prompt->tokens[live.fed + i], logits});
  parts_.push_back({slot, count, false});
  logit_rows_ += logits ? count : 0;
}

// How many bodies may run before anybody looks.
int Run::repeatable() const {
  int64_t longest = 0, room = limits_.context;
  for (const Row& row : rows_) {
    if (row.token != kSampled) return 1;
    const Live& live = *slots_[row.slot].live;
    longest = std::max<int64_t>(longest, live.total - live.known());
    room = std::min<int64_t>(room, limits_.context - live.fed);
  }
  return path_.can_repeat() ? static_cast<int>(std::min({longest, room, int64_t(buffer_.size())})) : 1;
}

void Run::pass() {
  collect();
  const int times = repeatable();
  if (times > 1) {
    path_.repeat(rows_, times);
    summary_.replayed += times;
  } else {
    path_.step(rows_, sampled_);
  }
  if (const StepTimes* spent = path_.times())
    sinks_.pass({summary_.steps, static_cast<int32_t>(rows_.size()), sampled_, *spent});
  summary_.steps += times;
  summary_.rows += std::ssize(rows_) * times;
  int sampled = 0, logit_row = sampled_;
  std::span<const Row> rows = rows_;
  for (const Part& part : parts_) {
    Live& live = *slots_[part.slot].live;
    if (part.sampled) {
      live.fed += part.count - 1 + times;
      consume(part.slot, times, sampled++);
    } else if (ends_in_choice(live)) {
      live.fed += part.count;
    } else {
      advance(part, rows.first(part.count), logit_row);
      logit_row += rows.front().logits ? part.count : 0;
    }
    rows = rows.subspan(part.count);
  }
}

// A prompt by the rows that were fed. logit_row: of the first one, where they have any.
void Run::advance(const Part& part, std::span<const Row> rows, int logit_row) {
  const int slot = part.slot;
  Live& live = *slots_[slot].live;
  for (const Row& row : rows) {
    ++live.fed;
    if (!(sinks_.wants() & kPrompt)) continue;
    float logprob = std::numeric_limits<float>::quiet_NaN();
    if (sinks_.wants() & kLogprob) path_.read_logprobs(slot, live.fed, {&logprob, 1});
    prefix_ends_[live.prompt - prompts_.data()] = logprob;
    echo(slot, live.fed, logprob, row.logits ? path_.logits(logit_row++) : nullptr);
  }
  if (!live.prefilled()) return;
  slots_[slot].holds = live.prompt;
  if (live.total == std::ssize(live.prompt->tokens)) finish(slot, "length");
}

// Takes `count` chosen tokens of a slot; what was computed past the sequence's end is dropped.
void Run::consume(int slot, int count, int row) {
  const Live& live = *slots_[slot].live;
  const int position = live.known();
  path_.read_tokens(slot, position, {buffer_.data(), size_t(count)});
  if (sinks_.wants() & kLogprob) path_.read_logprobs(slot, position, {logprobs_.data(), size_t(count)});
  for (int i = 0; i < count; ++i) {
    const float logprob = sinks_.wants() & kLogprob ? logprobs_[i] : std::numeric_limits<float>::quiet_NaN();
    if (!accept(slot, buffer_[i], logprob, path_.logits(row))) return;
  }
}

// False: the sequence has ended.
bool Run::accept(int slot, int32_t id, float logprob, const float* logits) {
  Live& live = *slots_[slot].live;
  if (id == kNone) {
    fail("sequence ", live.sequence, ", position ", live.known(),
         ": no token can be chosen, the logits hold NaN or nothing is left");
  }
  if (id < 0 || id >= config_.V) {
    fail("sequence ", live.sequence, ", position ", live.known(), ": sampler", samplers_.empty() ? "" : " ", samplers_,
         ": expected a token in [0, ", config_.V, "), found ", id);
  }
  if (summary_.new_tokens++ == 0) summary_.first_token_seconds = elapsed();
  const bool ends = id == config_.end_of_text && !generation_.ignore_eos;
  const std::string text =
      tokenizer_ && !ends && id < tokenizer_->size() ? live.text.push(tokenizer_->piece(id)) : std::string();
  const int step = live.known() - static_cast<int>(live.prompt->tokens.size());
  sinks_.token({live.sequence, step, live.known(), id, text, logprob, logits, config_.V, words_.or_null()});
  live.tokens.push_back(id);
  const char* reason = ends                         ? "end_of_text"
                       : live.text.stopped()        ? "stop"
                       : live.known() >= live.total ? "length"
                                                    : nullptr;
  if (reason) return finish(slot, reason), false;
  if (generation_.recompute) path_.start(slot, live.sequence, slot, live.fed = 0);
  return true;
}

void Run::echo(int slot, int position, float logprob, const float* logits) {
  Live& live = *slots_[slot].live;
  const int32_t id = live.prompt->tokens[position];
  std::string text = live.echo.push(words_.piece(id));
  if (position + 1 == std::ssize(live.prompt->tokens)) text += live.echo.take_tail();
  sinks_.token({live.sequence, -1, position, id, text, logprob, logits, config_.V, words_.or_null()});
}

void Run::finish(int slot, std::string_view reason) {
  Live& live = *slots_[slot].live;
  sinks_.finish(live.sequence, live.text.take_tail(), reason);
  slots_[slot].live.reset();
  ++done_;
}

}  // namespace

uint32_t all_wants(std::span<Sink* const> sinks) {
  uint32_t wants = 0;
  for (const Sink* sink : sinks) wants |= sink->wants();
  return wants;
}

std::string_view looks_because(Space session, Space chain, uint32_t wants) {
  if (session == Space::host) return "in host memory waiting costs nothing";
  if (chain != session) return "a host sampler stands behind the device";
  if (wants & kLogits) return "a sink wants logits";
  if (wants & kTimes) return "a sink wants times";
  return "";
}

Limits plan_limits(const ModelConfig& config, std::span<const Prompt> prompts, const Generation& generation,
                   std::span<Sink* const> sinks, const Chain& chain) {
  if (prompts.empty()) fail("there is no prompt");
  if (generation.samples < 1 || generation.batch < 1 || generation.chunk < 1) {
    fail("samples, batch and chunk must be 1 or more, found ", generation.samples, ", ", generation.batch, " and ",
         generation.chunk);
  }
  if (generation.rank < 0 || generation.rank >= generation.ranks)
    fail("rank ", generation.rank, ": expected one of ", generation.ranks);
  int64_t context = 1, longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    check_prompt(config, prompts[i], generation, i);
    context = std::max(context, total_length(config, prompts[i], generation) - 1);
    longest = std::max<int64_t>(longest, std::ssize(prompts[i].tokens) - 1);
  }
  const uint32_t wants = all_wants(sinks);
  Limits limits{};
  const int64_t sequences = std::max<int64_t>(1, own_prompts(prompts, generation) * generation.samples);
  limits.slots = static_cast<int32_t>(std::min<int64_t>(generation.batch, sequences));
  limits.context = static_cast<int32_t>(context);
  const auto chunk = static_cast<int32_t>(std::min<int64_t>(longest, generation.chunk));
  limits.rows = limits.slots + chunk;
  if (generation.recompute) {
    const int64_t pass = std::min<int64_t>(context, generation.chunk);
    limits.rows = static_cast<int32_t>(std::min(limits.slots * pass, std::max(pass, kRecomputedRows)));
  }
  limits.logit_rows = limits.slots + (prompt_logits(wants) ? chunk : 0);
  limits.threads = generation.threads;
  limits.device = generation.device;
  limits.keep_raw = chain.changes_logits && (wants & (kLogprob | kLogits));
  limits.seed = generation.seed;
  return limits;
}

std::string Summary::to_json() const {
  std::ostringstream json;
  json.imbue(std::locale::classic());
  json << "{\"sequences\": " << sequences << ", \"prompt_tokens\": " << prompt_tokens
       << ", \"new_tokens\": " << new_tokens << ", \"steps\": " << steps << ", \"rows\": " << rows
       << ", \"replayed\": " << replayed << ", \"open_seconds\": " << open_seconds << ", \"seconds\": " << seconds
       << ", \"first_token_seconds\": " << first_token_seconds << "}";
  return json.str();
}

Summary generate(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
                 const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation,
                 std::string_view manifest, const std::function<void(int64_t, int64_t)>& progress) {
  return Run(session, config, chain, sinks, tokenizer, prompts, generation)(manifest, progress);
}

}  // namespace gpt2run
