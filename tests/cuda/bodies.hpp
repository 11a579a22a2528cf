// Two loops of decode steps: one on two slots with two samplers and scoring, and one with more slots than the decode
// kernels compute at once. Tests run them step by step and as recorded graphs, on the executor and on a device, and
// compare the results.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run::test {

// The contents of a session after a loop.
struct LoopState {
  std::vector<int32_t> tokens;
  std::vector<float> logprobs, logits;
  bool operator==(const LoopState&) const = default;
};

inline Limits limits_of_bodies() {
  return {.slots = 2, .context = 30, .rows = 4, .logit_rows = 2, .threads = 0, .device = 0, .keep_raw = true};
}

// Runs decode steps on both slots or on one of them, with repeat(n, key, rows, body), where each number of rows has one
// key. The model needs at least six tokens; the session is opened with limits_of_bodies().
template <class Repeat>
LoopState run_bodies(Session& session, Sampler& penalty, Sampler& nucleus, Repeat repeat) {
  penalty.prepare(session.layout()), nucleus.prepare(session.layout());
  session.start(0, {7, 42, 0, 0, 0, 0}), session.start(1, {9, 42, 0, 0, 1, 0});
  const Row prompt[] = {{0, 3, false}, {0, 4, true}, {1, 5, true}};
  const auto choose = [&](const LogitBatch& batch) {
    penalty.sample(batch), nucleus.sample(batch), session.score(batch);
  };
  choose(session.step(prompt));
  const auto body = [&](std::span<const Row> rows) { return [&, rows] { choose(session.step(rows)); }; };
  const Row both[] = {{0, kSampled, true}, {1, kSampled, true}}, one[] = {{1, kSampled, true}},
            other[] = {{0, kSampled, true}};
  repeat(5, 0, both, body(both)), repeat(3, 1, one, body(one)), repeat(1, 0, both, body(both));
  repeat(2, 1, other, body(other)), repeat(7, 0, both, body(both));
  const LogitBatch layout = session.layout();
  LoopState out{std::vector<int32_t>(2 * layout.token_stride), std::vector<float>(2 * layout.token_stride),
                std::vector<float>(2 * layout.stride)};
  session.read(layout.tokens, out.tokens.data(), out.tokens.size() * sizeof(int32_t));
  session.read(layout.logprobs, out.logprobs.data(), out.logprobs.size() * sizeof(float));
  for (int row = 0; row < 2; ++row)
    session.read(layout.raw + row * layout.stride, &out.logits[row * layout.stride], layout.vocab * sizeof(float));
  return out;
}

inline Limits limits_of_many_slots() {
  return {.slots = 10, .context = 20, .rows = 10, .logit_rows = 10, .threads = 0, .device = 0, .keep_raw = false};
}

// Runs one step and then `bodies` decode steps of all slots, in two parts, and returns the tokens (S, stride). The
// model needs at least 20 tokens; the session is opened with limits_of_many_slots().
template <class Repeat>
std::vector<int32_t> run_many_slots(Session& session, Sampler& argmax, int bodies, Repeat repeat) {
  const LogitBatch layout = session.layout();
  argmax.prepare(layout);
  std::vector<Row> rows;
  for (int slot = 0; slot < limits_of_many_slots().slots; ++slot) rows.push_back({slot, 2 * slot + 1, true});
  argmax.sample(session.step(rows));
  for (Row& row : rows) row.token = kSampled;
  for (const int n : {1, bodies - 1}) repeat(n, 1, rows, [&] { argmax.sample(session.step(rows)); });
  std::vector<int32_t> tokens(rows.size() * layout.token_stride);
  session.read(layout.tokens, tokens.data(), tokens.size() * sizeof(int32_t));
  return tokens;
}

// Values for `repeat` of the two functions above: looped() runs one step after another, recorded() uses
// Session::repeat.
inline auto looped() {
  return [](int n, uint64_t, std::span<const Row>, auto body) {
    while (n-- > 0) body();
  };
}
inline auto recorded(Session& session) {
  return [&session](int n, uint64_t key, std::span<const Row> rows, auto body) {
    session.repeat(
        n, key, rows, [](void* at) { (*static_cast<decltype(body)*>(at))(); }, &body);
  };
}

}  // namespace gpt2run::test
