// Calls and a clock around them.
#include "gpt2bench/driver.hpp"

#include <algorithm>
#include <chrono>

#include "common/config/create.hpp"
#include "common/program/interrupt.hpp"

namespace gpt2run {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepeat = 16;  // tokens between two looks, as in the generation loop

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

int32_t token_at(int64_t position, int slot, int64_t vocab) {
  constexpr int64_t kStride = 7919;
  return static_cast<int32_t>((position + slot) * kStride % vocab);
}

}  // namespace

Driver::Driver(Precision& precision, std::span<const BoundPlugin> samplers, const Checkpoint& checkpoint,
               const Limits& limits)
    : vocab_(checkpoint.config().V), session_(precision.open(checkpoint, limits)) {
  for (const BoundPlugin& sampler : samplers) {
    samplers_.push_back(create<Sampler>(sampler));
    samplers_.back()->prepare(session_->layout());
  }
}

double Driver::prefill(int slot, int32_t count) {
  rows_.clear();
  for (int32_t i = 0; i < count; ++i) rows_.push_back({slot, token_at(i, slot, vocab_), i + 1 == count});
  const auto begin = Clock::now();
  session_->start(slot, static_cast<uint64_t>(slot), slot, 0);
  step();
  wait();
  return seconds_since(begin);
}

void Driver::branch(int slots, int32_t count) {
  rows_.clear();
  for (int slot = 0; slot < slots; ++slot) {
    session_->start(slot, static_cast<uint64_t>(slot), 0, count - 1);
    rows_.push_back({slot, token_at(count - 1, slot, vocab_), true});
  }
  step();
  wait();
}

double Driver::decode(int slots, int count) {
  take_sampled(slots);
  const auto begin = Clock::now();
  for (int left = count; left > 0; left -= kRepeat) {
    session_->repeat(
        std::min(left, kRepeat), static_cast<uint64_t>(slots), [](void* self) { static_cast<Driver*>(self)->step(); },
        this);
    wait();
  }
  return seconds_since(begin);
}

double Driver::decode_singly(int slots, int count) {
  take_sampled(slots);
  const auto begin = Clock::now();
  for (; count > 0; --count) step(), wait();
  return seconds_since(begin);
}

void Driver::take_sampled(int slots) {
  rows_.clear();
  for (int slot = 0; slot < slots; ++slot) rows_.push_back({slot, kSampled, true});
}

void Driver::step() {
  last_ = session_->step(rows_);
  for (const auto& sampler : samplers_) sampler->sample(last_);
}

void Driver::wait() {
  if (interrupted()) fail("interrupted, nothing was written");
  int32_t token;
  session_->read(last_.tokens, &token, sizeof token);
}

}  // namespace gpt2run
