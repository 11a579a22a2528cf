// Short hands for driving a session of the tiny model in the checks of precisions.
#pragma once
#include <span>
#include <vector>

#include "conformance/checks.hpp"
#include "conformance/tiny_checkpoint.hpp"
#include "gpt2run/precision.hpp"

namespace gpt2run::conformance {

using Floats = std::vector<float>;

inline constexpr Limits kLimits = {
    .slots = 4, .context = 9, .rows = 36, .logit_rows = 36, .threads = 2, .device = 0, .keep_raw = false};

// A precision with its options at their defaults, and the checkpoint that its sessions look at.
struct Opened {
  explicit Opened(const Plugin& plugin, Type type = Type::f32, bool awkward = false)
      : checkpoint(type, awkward), precision(create<Precision>(plugin)) {}
  std::unique_ptr<Session> session(const Limits& limits = kLimits) const { return precision->open(checkpoint, limits); }

  TinyCheckpoint checkpoint;
  std::unique_ptr<Precision> precision;
};

// The token of a made-up text at a position.
int32_t token_of(uint64_t sequence, int position);

// Rows for positions [from, to) of that text in a slot, all with logits.
std::vector<Row> rows_of(int slot, uint64_t sequence, int from, int to);

// Steps and copies the logits, (rows, V).
Floats feed(Session&, std::span<const Row>);

// start() and the positions [0, to), in steps of at most `chunk` rows. Logits (to, V).
Floats fill(Session&, int slot, uint64_t sequence, int to, int chunk = 9);

// Throws Error naming the first difference in bits.
void require_equal(const Floats& found, const Floats& expected, const std::string& what);

}  // namespace gpt2run::conformance
