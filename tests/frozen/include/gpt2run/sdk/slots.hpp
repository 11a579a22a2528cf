// Slots: the host's record of a session's slots. It has their lengths and occupants, and makes the checks that Session
// promises for start(), step() and repeat(). Every session uses it, on any device. It allocates only when constructed.
#pragma once
#include <span>
#include <vector>

#include "gpt2run/precision.hpp"

namespace gpt2run {

class Slots {
 public:
  // Throws Error for limits that no session can have, and for a model that is not supported.
  Slots(const ModelConfig& config, const Limits& limits) : vocab_(config.V), limits_(limits) {
    check_limits(config);
    slots_.resize(limits.slots);
  }

  int length(int slot) const { return slots_[slot].length; }
  // The key of the row of logits that follows the slot's first `position` tokens.
  RowKey key(int slot, int position) const {
    const Slot& s = slots_[slot];
    return {s.sequence, s.seed, slot, position, s.prompt, s.shift};
  }
  const Limits& limits() const { return limits_; }

  void start(int slot, const Start& start) {
    check_slot(slot);
    check_slot(start.from);
    if (start.keep < 0 || start.keep > slots_[start.from].length) {
      fail("start: slot ", start.from, " holds ", slots_[start.from].length, " positions, asked to keep ", start.keep);
    }
    Slot& s = slots_[slot];
    s.sequence = start.sequence, s.seed = start.seed, s.prompt = start.prompt, s.shift = start.shift;
    s.length = start.keep, s.has_logits = false;
  }

  // Checks the rows of a body that is to be repeated n times. Throws Error before anything is enqueued.
  void check_repeat(std::span<const Row> rows, int n) {
    check(rows);
    for (const Row& row : rows) {
      if (row.token != kSampled) fail("repeat: a body may only take sampled tokens, slot ", row.slot, " has another");
      if (slots_[row.slot].length + n > limits_.context)
        fail("repeat: slot ", row.slot, " holds ", slots_[row.slot].length, " of ", limits_.context,
             " positions, no room for ", n);
    }
  }

  // Checks the rows of a step. Throws Error before anything is enqueued.
  void check(std::span<const Row> rows) {
    if (rows.empty()) fail("step: no rows");
    if (std::ssize(rows) > limits_.rows) fail("step: ", rows.size(), " rows, the session holds ", limits_.rows);
    for (Slot& slot : slots_) slot.last_row = -1;
    int logit_rows = 0;
    for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
      check_row(rows, i);
      logit_rows += rows[i].logits;
    }
    if (logit_rows > limits_.logit_rows)
      fail("step: ", logit_rows, " rows ask for logits, the session holds ", limits_.logit_rows);
  }

  // Appends checked rows, `times` times.
  void advance(std::span<const Row> rows, int times = 1) {
    for (const Row& row : rows) {
      slots_[row.slot].length += times;
      slots_[row.slot].has_logits = row.logits;
    }
  }

 private:
  struct Slot {
    uint64_t sequence = 0, seed = 0;
    int32_t prompt = 0, shift = 0;
    int32_t length = 0;
    bool has_logits = false;
    int32_t last_row = -1, first_row = -1;
  };

  void check_limits(const ModelConfig& config) const {
    if (limits_.slots < 1 || limits_.rows < 1 || limits_.logit_rows < 0) {
      fail("limits: at least one slot and one row expected, found ", limits_.slots, " and ", limits_.rows);
    }
    if (limits_.context < 1 || limits_.context > config.T) {
      fail("limits: context of 1 to ", config.T, " positions expected, found ", limits_.context);
    }
    if (static_cast<int>(config.activation) >= kActivationCount)
      fail("the model: an activation function of gpt2run/loader.hpp expected, found number ",
           static_cast<int>(config.activation));
  }

  void check_slot(int slot) const {
    if (slot < 0 || slot >= limits_.slots) fail("slot ", slot, " is out of range, the session has ", limits_.slots);
  }

  void check_row(std::span<const Row> rows, int i) {
    const Row& row = rows[i];
    check_slot(row.slot);
    Slot& slot = slots_[row.slot];
    if (slot.last_row >= 0 && slot.last_row != i - 1)
      fail("step: the rows of slot ", row.slot, " do not stand together");
    if (slot.last_row < 0) slot.first_row = i;
    slot.last_row = i;
    if (slot.length + i - slot.first_row >= limits_.context)
      fail("step: slot ", row.slot, " is full at ", limits_.context, " positions");
    if (row.token == kSampled) {
      const bool only = slot.first_row == i && (i + 1 == std::ssize(rows) || rows[i + 1].slot != row.slot);
      if (!only) fail("step: a sampled token must be the only row of slot ", row.slot);
      if (!slot.has_logits) fail("step: slot ", row.slot, " has no sampled token, its last row asked for no logits");
    } else if (row.token < 0 || row.token >= vocab_) {
      fail("step: token ", row.token, " is out of range, the vocabulary has ", vocab_);
    }
  }

  int32_t vocab_;
  Limits limits_;
  std::vector<Slot> slots_;
};

}  // namespace gpt2run
