// Submits requests and measures the time of the engine's steps.
#include "gpt2bench/driver.hpp"

#include <algorithm>

#include "common/config/create.hpp"
#include "common/program/interrupt.hpp"
#include "gpt2bench/timed_parallel.hpp"

namespace gpt2run {
namespace {

int32_t token_at(int64_t position, uint64_t sequence, int64_t vocab) {
  constexpr int64_t kStride = 7919;
  return static_cast<int32_t>((position + static_cast<int64_t>(sequence)) * kStride % vocab);
}

}  // namespace

Limits driver_limits(int32_t sequences, int32_t context, int32_t prompt, int32_t threads, int32_t device) {
  EngineOptions options;
  options.chunk = prompt;
  Limits limits = engine_limits(options, sequences, context, false);
  limits.threads = threads, limits.device = device;
  return limits;
}

Driver::Driver(Precision& precision, std::span<const BoundPlugin> samplers, const Checkpoint& checkpoint,
               const Limits& limits)
    : config_(checkpoint.config()), chain_(std::make_shared<Chain>()), session_(precision.open(checkpoint, limits)) {
  for (const BoundPlugin& sampler : samplers) {
    samplers_.push_back(create<Sampler>(sampler));
    chain_->samplers.push_back(samplers_.back().get());
    chain_->space = sampler.plugin->space;
    chain_->changes_logits |= !sampler.plugin->selects;
  }
  EngineOptions options;
  options.chunk = limits.rows - limits.slots;
  replaying_ = std::make_unique<Engine>(*session_, config_, limits, options, chain_, nullptr, counter_);
  options.replay = 1;
  single_ = std::make_unique<Engine>(*session_, config_, limits, options, chain_, nullptr, counter_);
}

void Driver::Counter::finish(RequestId, Reason reason, std::string_view, std::string_view error) {
  if (reason == Reason::error) throw Error(std::string(error));
  ++finished;
}

Request Driver::request_of(uint64_t sequence, int32_t prompt, int32_t more, uint64_t group) const {
  Request request;
  for (int32_t i = 0; i < prompt; ++i) request.tokens.push_back(token_at(i, group ? 0 : sequence, config_.V));
  request.sequence = sequence, request.seed = 0;
  request.max_new = more, request.group = group;
  request.ignore_eos = true;
  return request;
}

Driver::Seconds Driver::time(Engine& engine, int64_t sequences) {
  const auto begin = std::chrono::steady_clock::now();
  const auto step = [&] {
    if (interrupted()) fail("interrupted, nothing was written");
    engine.step();
  };
  while (counter_.with_token < sequences && counter_.finished < sequences) step();
  const double first = seconds_since(begin);
  while (counter_.finished < sequences) step();
  counter_.with_token = counter_.finished = 0;
  return {first, seconds_since(begin) - first};
}

// Lets an engine use the session. Resets it and returns true if the other one has used the session meanwhile, because
// the engine then does not know the contents of the slots.
bool Driver::take_session(Engine& engine) {
  if (last_ == &engine) return false;
  engine.reset();
  last_ = &engine;
  return true;
}

Driver::Seconds Driver::run(int32_t sequences, int32_t prompt, int32_t more) {
  take_session(*replaying_);
  for (int32_t i = 0; i < sequences; ++i) replaying_->submit(request_of(i, prompt, 1 + more, 0));
  return time(*replaying_, sequences);
}

double Driver::continue_prompt(int32_t sequences, int32_t prompt, int32_t more, bool replays) {
  Engine& engine = replays ? *replaying_ : *single_;
  take_session(engine);
  // The other slots share the keys and values of this prompt, so that all sequences decode from the next step on.
  engine.submit(request_of(0, prompt, 0, 1));
  time(engine, 1);
  for (int32_t i = 0; i < sequences; ++i) engine.submit(request_of(i, prompt, 1 + more, 1));
  return time(engine, sequences).rest;
}

}  // namespace gpt2run
