// Helpers that run sessions of the tiny model. Memory of a session is only read and written through the session,
// because its pointers may be those of a device.
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

// A precision with default options, and the checkpoint that its sessions use.
struct Opened {
  explicit Opened(const Plugin& plugin, const TinyForm& form = {})
      : checkpoint(form), precision(create<Precision>(plugin)), space(plugin.space) {}
  std::unique_ptr<Session> session(const Limits& limits = kLimits) const {
    auto session = precision->open(checkpoint, limits);
    require(session != nullptr, "open() returned null: expected a session, or an Error thrown");
    return session;
  }

  TinyCheckpoint checkpoint;
  std::unique_ptr<Precision> precision;
  Space space;
};

// The kit's own precision, in host memory and without rounding.
Opened plain_host_precision();

// The token at a position of a made-up text, one for each sequence number.
int32_t token_of(uint64_t sequence, int position);

// Rows for the positions [from, to) of that text in a slot, all with logits.
std::vector<Row> rows_of(int slot, uint64_t sequence, int from, int to);

// Reads `count` values from the session's memory.
template <class T>
std::vector<T> fetch(Session& session, const T* from, size_t count) {
  std::vector<T> values(count);
  session.read(from, values.data(), count * sizeof(T));
  return values;
}

// Reads the rows of a batch without padding, (rows, V). from: the batch's `logits` or `raw`.
Floats fetch_rows(Session&, const LogitBatch&, const float* from);

// Writes the positions [from, to) of that text into the token table of a slot.
void write_tokens(Session&, int slot, uint64_t sequence, int from, int to);

// A key for Session::repeat() that this process has not used before.
uint64_t fresh_key();

// Runs one step and returns its logits, (rows, V).
Floats feed(Session&, std::span<const Row>);

// Calls start() and feeds the positions [0, to) in steps of at most `chunk` rows. Returns the logits, (to, V).
Floats fill(Session&, int slot, uint64_t sequence, int to, int chunk = 9);

// Throws Error naming the first value whose bits differ.
void require_equal(const Floats& found, const Floats& expected, const std::string& what);

// Throws Error if all bits are equal, or if a value is not finite.
void require_changed(const Floats& found, const Floats& before, const std::string& what);

}  // namespace gpt2run::conformance
