#include "gpt2run/engine/generate.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "gpt2run/engine/delivery.hpp"
#include "gpt2run/sdk/json_text.hpp"
#include "sink_tap.hpp"

namespace gpt2run {
namespace {

// The number of tokens of a whole sequence that was asked for, prompt included.
int64_t total_length(const Prompt& prompt, const Generation& generation) {
  return generation.max_new >= 0 ? std::ssize(prompt.tokens) + int64_t(generation.max_new) : generation.n_gen;
}

void check_prompt(const ModelConfig& config, const Prompt& prompt, const Generation& generation, size_t index) {
  const size_t length = prompt.tokens.size();
  const std::string name =
      "prompt " + std::to_string(index) + (prompt.origin.empty() ? "" : " (" + prompt.origin + ")");
  if (length == 0) fail(name, " is empty");
  if (std::ssize(prompt.tokens) > config.T) {
    fail(name, " has ", length, " tokens, the model's context holds ", config.T,
         "; --truncate-prompt keeps the last ones");
  }
  if (total_length(prompt, generation) < std::ssize(prompt.tokens) + (generation.max_new < 0)) {
    fail(name, " has ", length, " tokens, but --n_gen ", generation.n_gen, " counts the prompt too; use -n ",
         generation.n_gen, " for ", generation.n_gen, " new tokens");
  }
  for (const int32_t id : prompt.tokens) {
    if (id < 0 || id >= config.V) fail(name, ": token ", id, " is out of range, the vocabulary has ", config.V);
  }
}

// The number of prompts that this rank runs.
int64_t own_prompts(std::span<const Prompt> prompts, const Generation& generation) {
  return (std::ssize(prompts) - generation.rank + generation.ranks - 1) / generation.ranks;
}

// True if a prompt's last token is fed although no new one follows.
bool reads_last(const Prompt& prompt, const Generation& generation, uint32_t wants) {
  return (wants & kTaps) && total_length(prompt, generation) == std::ssize(prompt.tokens);
}

// The number of tokens before the last one of the longest prompt.
int32_t longest_prefix(std::span<const Prompt> prompts) {
  int64_t longest = 0;
  for (const Prompt& prompt : prompts) longest = std::max<int64_t>(longest, std::ssize(prompt.tokens) - 1);
  return static_cast<int32_t>(longest);
}

EngineOptions engine_options(std::span<const Prompt> prompts, const Generation& generation, uint32_t wants) {
  EngineOptions options;
  options.chunk = generation.recompute ? generation.chunk : std::min(longest_prefix(prompts), generation.chunk);
  options.replay = std::max(1, generation.replay);
  options.recompute = generation.recompute;
  options.wants = wants;
  return options;
}

// Submits this rank's prompts to an engine, and passes the engine's events on to the sinks.
class Run final : private Listener {
 public:
  Run(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
      const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation, RowTap* tap)
      : prompts_(prompts),
        generation_(generation),
        sinks_(sinks),
        limits_(plan_limits(config, prompts, generation, sinks, chain)),
        engine_(session, config, limits_, engine_options(prompts, generation, sinks_.wants()),
                std::shared_ptr<const Chain>(std::shared_ptr<const Chain>(), &chain), tokenizer, *this),
        next_(uint64_t(generation.rank) * generation.samples),
        sink_tap_(sinks_, session, generation.precision, config.V, tokenizer),
        tap_(engine_, [this](RequestId id) { return sequences_.at(id); }) {
    if (tap) tap_.add(tap);
    if (sinks_.wants() & kTaps) tap_.add(&sink_tap_);
    summary_.sequences = own_prompts(prompts, generation) * generation.samples;
    summary_.open_seconds = generation.open_seconds;
  }

  Summary operator()(std::string_view manifest, const std::function<void(int64_t, int64_t)>& progress) {
    sinks_.begin(manifest);
    if (!tap_.empty() && !engine_.tap(&tap_))
      fail("precision ", generation_.precision, ": it has no taps, so what its operations write cannot be seen");
    do {
      submit_more();
      if (engine_.step() && progress) progress(done_, summary_.sequences);
    } while (done_ < summary_.sequences);
    if (progress) progress(done_, summary_.sequences);
    const EngineCounts& counts = engine_.counts();
    summary_.prompt_tokens = counts.prompt_tokens, summary_.new_tokens = counts.new_tokens;
    summary_.steps = counts.steps, summary_.rows = counts.rows, summary_.replayed = counts.replayed;
    summary_.seconds = elapsed();
    sinks_.end(summary_.to_json());
    return summary_;
  }

 private:
  double elapsed() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count(); }
  const Prompt& prompt_of(uint64_t sequence) const { return prompts_[sequence / generation_.samples]; }

  // Keeps as many requests waiting as there are slots, so that memory does not grow with the number of prompts.
  void submit_more() {
    const uint64_t end = prompts_.size() * generation_.samples;
    while (next_ < end && std::ssize(sequences_) - static_cast<int64_t>(engine_.running()) < limits_.slots) {
      const Prompt& prompt = prompt_of(next_);
      Request request;
      request.tokens = prompt.tokens;
      request.sequence = next_, request.seed = generation_.seed;
      request.max_new = total_length(prompt, generation_) - std::ssize(prompt.tokens);
      request.context_shift = generation_.context_shift;
      request.ignore_eos = generation_.ignore_eos;
      request.stops = generation_.stops;
      request.wants = sinks_.wants() & (kLogprob | kLogits | kPrompt);
      request.end_logits = reads_last(prompt, generation_, sinks_.wants());
      request.group = tap_.empty() ? 1 + next_ / generation_.samples : 0;
      sequences_[engine_.submit(std::move(request))] = next_;
      // After its last sample, skip the prompts of the other ranks.
      if (++next_ % generation_.samples == 0) next_ += uint64_t(generation_.ranks - 1) * generation_.samples;
    }
  }

  void start(RequestId id) override {
    const uint64_t sequence = sequences_.at(id);
    sinks_.start(sequence, prompt_of(sequence));
  }
  void token(RequestId, const TokenEvent& event) override {
    if (event.step >= 0 && !has_token_) has_token_ = true, summary_.first_token_seconds = elapsed();
    sinks_.token(event);
  }
  void step(const StepEvent& event) override { sinks_.step(event); }
  void finish(RequestId id, Reason reason, std::string_view tail, std::string_view error) override {
    if (reason == Reason::error) throw Error(std::string(error));
    const uint64_t sequence = sequences_.at(id);
    sequences_.erase(id);
    summary_.cut += reason == Reason::context;
    sinks_.finish(sequence, tail, name_of(reason));
    ++done_;
  }

  std::span<const Prompt> prompts_;
  const Generation& generation_;
  Delivery sinks_;
  Limits limits_;
  Engine engine_;
  uint64_t next_;                            // the sequence to submit next
  std::map<RequestId, uint64_t> sequences_;  // sequences of the requests that wait or run
  SinkTap sink_tap_;
  EngineTap tap_;
  int64_t done_ = 0;
  bool has_token_ = false;
  Summary summary_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

uint32_t all_wants(std::span<Sink* const> sinks) {
  uint32_t wants = 0;
  for (const Sink* sink : sinks) wants |= sink->wants();
  return wants;
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
  const uint32_t wants = all_wants(sinks);
  int64_t context = 1;
  for (size_t i = 0; i < prompts.size(); ++i) {
    check_prompt(config, prompts[i], generation, i);
    const int64_t fed = total_length(prompts[i], generation) - !reads_last(prompts[i], generation, wants);
    context = std::max(context, std::min<int64_t>(fed, config.T));
  }
  const int64_t sequences = std::max<int64_t>(1, own_prompts(prompts, generation) * generation.samples);
  const auto slots = static_cast<int32_t>(std::min<int64_t>(generation.batch, sequences));
  Limits limits = engine_limits(engine_options(prompts, generation, wants), slots, static_cast<int32_t>(context),
                                chain.changes_logits);
  limits.threads = generation.threads;
  limits.device = generation.device;
  return limits;
}

std::string Summary::to_json() const {
  std::string json = "{";
  const auto append_count = [&](std::string_view key, int64_t count) {
    append_key(json, key);
    json += std::to_string(count);
  };
  append_count("sequences", sequences);
  append_count("prompt_tokens", prompt_tokens);
  append_count("new_tokens", new_tokens);
  append_count("steps", steps);
  append_count("rows", rows);
  append_count("replayed", replayed);
  append_field(json, "open_seconds", open_seconds);
  append_field(json, "seconds", seconds);
  append_field(json, "first_token_seconds", first_token_seconds);
  return json + "}";
}

Summary generate(Session& session, const ModelConfig& config, const Chain& chain, std::span<Sink* const> sinks,
                 const Tokenizer* tokenizer, std::span<const Prompt> prompts, const Generation& generation,
                 std::string_view manifest, const std::function<void(int64_t, int64_t)>& progress, RowTap* tap) {
  return Run(session, config, chain, sinks, tokenizer, prompts, generation, tap)(manifest, progress);
}

}  // namespace gpt2run
